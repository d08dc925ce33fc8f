"""Tells what happened to an account's money, from the ledger; changes nothing."""

import re
from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from fluxrouter_server.domain.denials import Denial
from fluxrouter_server.domain.ids import AccountName, AccountUid
from fluxrouter_server.domain.ledger import LedgerEntry
from fluxrouter_server.domain.limits import Limits
from fluxrouter_server.domain.periods import Period
from fluxrouter_server.domain.usage import (
    GroupBy,
    LedgerUsage,
    UsageGroup,
    UsageSums,
    groups,
    projected_nano_usd,
    total,
)
from fluxrouter_server.services.callers import OWN_ACCOUNT, AccountRef, Caller, Scope
from fluxrouter_server.services.decisions import Decisions
from fluxrouter_server.services.key_validity import refuse_key
from fluxrouter_server.services.ledger_check import CheckProgress, LedgerCheck
from fluxrouter_server.services.limits_cache import Snapshot
from fluxrouter_server.services.page_tokens import make_token, read_token
from fluxrouter_server.services.payers import Payer, Payers, scope_missing
from fluxrouter_server.services.ports.holds import HoldStore, SpendReading, Stale
from fluxrouter_server.services.ports.ledger import EntryFilter, EntryPlace, LedgerReader
from fluxrouter_server.services.refusals import invalid_field

__all__ = ["EntryPage", "NamedEntries", "UsageReport", "UsageService"]

DEFAULT_PAGE: Final = 100
MAX_PAGE: Final = 1_000
_PLACE: Final = re.compile(r"([0-9]{1,18})\.([0-9]{1,18})\.([0-9]{1,18})", re.ASCII)


@dataclass(frozen=True, slots=True)
class UsageReport:
    """Usage of a span; `reading` has the counters where the span is the open period."""

    limits: Limits
    span: Period
    total: UsageSums
    groups: tuple[UsageGroup, ...]
    reading: SpendReading | None
    projected_nano_usd: int


@dataclass(frozen=True, slots=True)
class NamedEntries:
    """Entries with the names of their accounts, as far as they are known."""

    entries: Sequence[LedgerEntry]
    names: Mapping[AccountUid, AccountName]


@dataclass(frozen=True, slots=True)
class EntryPage:
    """A page of entries; an empty token means that it is the last."""

    found: NamedEntries
    next_token: str


@dataclass(frozen=True, slots=True)
class _Account:
    """An account that the caller may ask about, and its counters at that instant."""

    limits: Limits
    reading: SpendReading


class UsageService:
    """GetUsage, ListLedger, ExportLedger and CheckLedger.

    Args:
        decisions: Repeats what was found in old documents.
        payers: Finds accounts, and says who may ask about them.
        holds: The counters.
        ledger: The entries.
        check: Compares the two.
    """

    def __init__(
        self,
        *,
        decisions: Decisions,
        payers: Payers,
        holds: HoldStore,
        ledger: LedgerReader,
        check: LedgerCheck,
    ) -> None:
        self._decisions = decisions
        self._payers = payers
        self._holds = holds
        self._ledger = ledger
        self._check = check

    async def get_usage(
        self,
        account: AccountRef,
        caller: Caller,
        *,
        start_us: int | None,
        end_us: int | None,
        group_by: Sequence[GroupBy],
    ) -> UsageReport | Denial:
        """Sum an account's usage of its open period, or from one instant to before another.

        Raises:
            StoreUnavailable: Counters or ledger do not answer.
        """
        wrong = _wrong_span(start_us, end_us)
        if wrong is not None:
            return wrong
        found = await self._find(account, caller)
        if isinstance(found, Denial):
            return found
        limits, reading = found.limits, found.reading
        if start_us is None:
            used = await self._ledger.period_usage(limits.uid, reading.period.start_us)
            return _report(found, reading.period, used, group_by, is_period=True)
        span = Period(start_us, reading.store_us if end_us is None else end_us)
        if span.start_us >= span.end_us:
            return invalid_field("start_time", "lies in the future; it must be before now")
        used = await self._ledger.span_usage(limits.uid, span)
        return _report(found, span, used, group_by, is_period=False)

    async def list_entries(
        self,
        account: AccountRef,
        caller: Caller,
        wanted: EntryFilter,
        *,
        page_size: int,
        page_token: str,
    ) -> EntryPage | Denial:
        """Find an account's entries, the newest first.

        Raises:
            StoreUnavailable: Counters or ledger do not answer.
        """
        if not 0 <= page_size <= MAX_PAGE:
            return invalid_field("page_size", f"must be from 1 to {MAX_PAGE}, or 0: {DEFAULT_PAGE}")
        wrong = _wrong_order(wanted.start_us, wanted.end_us)
        if wrong is not None:
            return wrong
        found = await self._find(account, caller)
        if isinstance(found, Denial):
            return found
        uid = found.limits.uid
        query = f"ledger {uid} {wanted}"
        before = _read_place(query, page_token)
        if isinstance(before, Denial):
            return before
        limit = page_size or DEFAULT_PAGE
        entries = await self._ledger.list_entries(uid, wanted, before=before, limit=limit + 1)
        page = entries[:limit]
        token = _make_token(query, page[-1]) if len(entries) > limit else ""
        return EntryPage(NamedEntries(page, {uid: found.limits.account}), token)

    async def export(
        self, account: AccountRef, caller: Caller, wanted: EntryFilter
    ) -> AsyncIterator[NamedEntries | Denial]:
        """Find all entries in order, of an account or, for service credentials, of all.

        Raises:
            StoreUnavailable: Counters or ledger do not answer.
        """
        refused = _wrong_order(wanted.start_us, wanted.end_us)
        uid: AccountUid | None = None
        if refused is None and (account != OWN_ACCOUNT or caller.key is not None):
            found = await self._find(account, caller)
            if isinstance(found, Denial):
                refused = found
            else:
                uid = found.limits.uid
        elif refused is None and not caller.has(Scope.READ):
            refused = scope_missing(Scope.READ)
        if refused is not None:
            yield refused
            return
        async for entries in self._ledger.export(uid, wanted):
            names = await self._ledger.names(sorted({entry.uid for entry in entries}))
            yield NamedEntries(entries, names)

    async def check(
        self, account: AccountName | None, caller: Caller
    ) -> AsyncIterator[CheckProgress | Denial]:
        """Compare counters with the ledger, of one account or of all.

        Raises:
            StoreUnavailable: Counters or ledger do not answer.
        """
        if account is None:
            async for progress in self._check.check_all():
                yield progress
            return
        payer = await self._payers.find(AccountRef(name=account), caller, Scope.READ)
        if isinstance(payer, Denial):
            yield payer
            return
        yield await self._check.check(payer.uid, account)

    async def _find(self, account: AccountRef, caller: Caller) -> _Account | Denial:
        """Find the account and its counters, if the caller may read them and its key is valid."""

        async def find() -> Payer | Denial:
            return await self._payers.find(account, caller, Scope.READ)

        async def read(payer: Payer, snapshot: Snapshot) -> _Account | Denial | Stale:
            limits = snapshot.limits
            reading = await self._holds.read_spend(limits, snapshot.proposed_period)
            if isinstance(reading, Stale):
                return reading
            return refuse_key(payer.key, limits, reading.store_us) or _Account(limits, reading)

        return await self._decisions.decide(find, read)


def _report(
    account: _Account,
    span: Period,
    used: LedgerUsage,
    group_by: Sequence[GroupBy],
    *,
    is_period: bool,
) -> UsageReport:
    limits, reading = account.limits, account.reading
    sums = total(used)
    wanted = group_by or tuple(GroupBy)
    return UsageReport(
        limits=limits,
        span=span,
        total=sums,
        groups=tuple(group for by in wanted for group in groups(used, by, zone=limits.time_zone)),
        reading=reading if is_period else None,
        projected_nano_usd=projected_nano_usd(
            sums.funds.billed_nano_usd, span, reading.store_us, limits.month_cap_nano_usd
        ),
    )


def _wrong_span(start_us: int | None, end_us: int | None) -> Denial | None:
    if start_us is None and end_us is not None:
        return invalid_field("start_time", "is required where end_time is given")
    return _wrong_order(start_us, end_us)


def _wrong_order(start_us: int | None, end_us: int | None) -> Denial | None:
    if start_us is not None and end_us is not None and start_us >= end_us:
        return invalid_field("end_time", "must be after start_time")
    return None


def _make_token(query: str, entry: LedgerEntry) -> str:
    return make_token(query, f"{entry.time_us}.{entry.epoch}.{entry.seq}")


def _read_place(query: str, token: str) -> EntryPlace | Denial | None:
    if not token:
        return None
    match = _PLACE.fullmatch(read_token(query, token) or "")
    if match is None:
        return invalid_field(
            "page_token",
            "it is of another list; give the next_page_token of this one, or none to begin",
        )
    return EntryPlace(*map(int, match.groups()))
