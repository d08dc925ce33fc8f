"""Tells what an account has spent and may still spend; holds nothing and changes nothing."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass, replace
from typing import Final

from fluxrouter_server.domain.denials import Denial, Reason
from fluxrouter_server.domain.ids import AccountName, PlanName
from fluxrouter_server.domain.limits import Generation, levels
from fluxrouter_server.domain.requests import RouteQuery
from fluxrouter_server.services.admissions import Admissions, Ask
from fluxrouter_server.services.bounded import each_bounded
from fluxrouter_server.services.callers import AccountRef, Caller, Scope
from fluxrouter_server.services.decisions import Decisions
from fluxrouter_server.services.key_validity import refuse_key
from fluxrouter_server.services.limits_cache import ACCOUNT_GONE, Snapshot
from fluxrouter_server.services.payers import Payer, Payers, account_missing
from fluxrouter_server.services.ports.holds import Fit, HoldStore, SpendReading, Stale
from fluxrouter_server.services.recurring import Sleep
from fluxrouter_server.services.refusals import invalid, invalid_field

# About who asks, or what: these are no answer to whether the request would fit.
_NOT_ABOUT_FIT: Final = frozenset(
    {Reason.INVALID_REQUEST, Reason.API_KEY_INVALID, Reason.RESOURCE_NOT_FOUND}
)


#: Accounts of one bulk reading: what fits well into one pipeline to the store and one answer.
MAX_ACCOUNTS: Final = 1000
#: Enough to fill the connection to the store, and few enough to leave room for decisions.
_READS_AT_ONCE: Final = 64


@dataclass(frozen=True, slots=True)
class Spend:
    """The counters of an account's open period, with the names in force at that reading."""

    account: AccountName
    plan: PlanName
    generation: Generation
    reading: SpendReading


@dataclass(frozen=True, slots=True)
class SpendBatch:
    """Readings of the accounts that exist, in the order asked for, and the names of the others."""

    spends: tuple[Spend, ...]
    missing: tuple[AccountName, ...]


class CapService:
    """CheckCap, GetSpend, BatchGetSpend and WatchSpend."""

    def __init__(
        self,
        *,
        admissions: Admissions,
        decisions: Decisions,
        payers: Payers,
        holds: HoldStore,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._admissions = admissions
        self._decisions = decisions
        self._payers = payers
        self._holds = holds
        self._sleep = sleep

    async def check(self, query: RouteQuery, account: AccountRef, caller: Caller) -> Fit | Denial:
        """Say what Route would do now. A Denial is of the check itself (who asks, about whom).

        Raises:
            StoreUnavailable: the counters could not be read.
        """
        wrong = invalid(query.validate())
        if wrong is not None:
            return wrong
        ask = Ask(query, caller.principal)

        async def find() -> Payer | Denial:
            return await self._payers.find(account, caller, Scope.ROUTE, Scope.READ)

        async def check(payer: Payer, snapshot: Snapshot) -> Fit | Denial | Stale:
            prepared = self._admissions.prepare(ask, payer, snapshot)
            if isinstance(prepared, Denial):
                return await self._refused(prepared, query, payer, snapshot)
            return await self._holds.check(prepared.command)

        return await self._decisions.decide(find, check)

    async def get_spend(self, account: AccountRef, caller: Caller) -> Spend | Denial:
        """Read the counters.

        Raises:
            StoreUnavailable: the counters could not be read.
        """

        async def find() -> Payer | Denial:
            return await self._payers.find(account, caller, Scope.READ)

        async def read(payer: Payer, snapshot: Snapshot) -> Spend | Denial | Stale:
            limits = snapshot.limits
            reading = await self._holds.read_spend(limits, snapshot.proposed_period)
            if isinstance(reading, Stale):
                return reading
            refused = refuse_key(payer.key, limits, reading.store_us)
            generation = snapshot.account.generation
            return refused or Spend(limits.account, limits.plan, generation, reading)

        return await self._decisions.decide(find, read)

    async def get_spends(
        self, accounts: Sequence[AccountName], caller: Caller
    ) -> SpendBatch | Denial:
        """Read the counters of many accounts, each in one step, many at the same time.

        An account that is missing is no reason to refuse the others, nor is one without its plan or
        without a catalog, which cannot be read and is left out; anything else is.

        Raises:
            StoreUnavailable: the counters could not be read.
        """
        wrong = _wrong_batch(accounts)
        if wrong is not None:
            return wrong

        async def read(name: AccountName) -> Spend | Denial:
            return await self.get_spend(AccountRef(name=name), caller)

        spends: list[Spend] = []
        missing: list[AccountName] = []
        answers = await each_bounded(accounts, read, at_once=_READS_AT_ONCE)
        for name, answer in zip(accounts, answers, strict=True):
            match answer:
                case Spend():
                    spends.append(answer)
                case Denial(reason=Reason.RESOURCE_NOT_FOUND):
                    if answer in (account_missing(name), ACCOUNT_GONE):
                        missing.append(name)
                case Denial():
                    return answer
        return SpendBatch(tuple(spends), tuple(missing))

    async def watch_spend(
        self, account: AccountRef, caller: Caller, *, interval_seconds: float
    ) -> AsyncIterator[Spend | Denial]:
        """Yield the counters, then again whenever they changed; a Denial is the last item.

        Each watcher reads for itself: once an interval, and only while somebody takes the items.

        Raises:
            StoreUnavailable: the counters could not be read; the watch has ended.
        """
        last: Spend | None = None
        while True:
            spend = await self.get_spend(account, caller)
            if isinstance(spend, Denial):
                yield spend
                return
            timeless = replace(spend, reading=replace(spend.reading, store_us=0))
            if timeless != last:
                last = timeless
                yield spend
            await self._sleep(interval_seconds)

    async def _refused(
        self, denial: Denial, query: RouteQuery, payer: Payer, snapshot: Snapshot
    ) -> Fit | Denial | Stale:
        """A refusal that needs no counters, with the room there is."""
        reading = await self._decisions.confirm(snapshot)
        if isinstance(reading, Stale):
            return reading
        if denial.reason in _NOT_ABOUT_FIT:
            return denial
        key = payer.key.name if payer.key else None
        counted = {level.level for level in levels(snapshot.limits, labels=query.labels, key=key)}
        rooms = [
            level.headroom_nano_usd
            for level in reading.levels
            if level.level in counted and level.headroom_nano_usd is not None
        ]
        return Fit(None, 0, min(rooms, default=0), denial)


def _wrong_batch(accounts: Sequence[AccountName]) -> Denial | None:
    if 1 <= len(accounts) <= MAX_ACCOUNTS:
        return None
    return invalid_field("accounts", f"{len(accounts)} entries; give 1 to {MAX_ACCOUNTS}")
