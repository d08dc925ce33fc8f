"""What this replica remembers of accounts, plans and the catalog, resolved into limits.

Nothing relies on it being fresh: the store compares the generations of every decision with its own
and answers STALE, with the documents of today, where they differ (docs/protocol.md §2). So nothing
is propagated, nothing times out, and what is absent is never remembered.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

from fluxrouter_server.domain.denials import Denial, Reason
from fluxrouter_server.domain.ids import AccountName, AccountUid, KeyHash, PlanName
from fluxrouter_server.domain.limits import (
    AccountRecord,
    CatalogRecord,
    Limits,
    PlanRecord,
    resolve,
)
from fluxrouter_server.domain.periods import Period, proposed_period
from fluxrouter_server.routing.shortlists import Shortlists
from fluxrouter_server.services.callers import KeyIdentity
from fluxrouter_server.services.least_recent import LeastRecent
from fluxrouter_server.services.ports.documents import (
    AccountStore,
    AccountView,
    CatalogStore,
    PlanStore,
)
from fluxrouter_server.services.ports.holds import Stale, StoreClock
from fluxrouter_server.services.single_flight import SingleFlight
from fluxrouter_server.services.stand_ins import EMPTY_CATALOG, closed_plan

# Plans are few: an installation that sells more than this many at once is a mistake.
_MAX_PLANS = 10_000


#: What an identity without an account is answered.
ACCOUNT_GONE: Final = Denial(Reason.RESOURCE_NOT_FOUND, "The account does not exist any more.")


@dataclass(frozen=True, slots=True)
class Snapshot:
    """An account's documents as this replica knows them, and what follows from them.

    `proposed_period` is to be opened when `open_period` ends; that is None before the first.
    `shortlists` remember who may serve which kind of request under these documents.
    """

    account: AccountRecord
    plan: PlanRecord
    catalog: CatalogRecord
    limits: Limits
    shortlists: Shortlists
    open_period: Period | None
    proposed_period: Period


@dataclass(slots=True)
class _Entry:
    record: AccountRecord
    keys: Mapping[KeyHash, KeyIdentity]
    open_period: Period | None
    snapshot: Snapshot | None = None


class LimitsCache:
    """The documents of at most `max_accounts` accounts, with all plans and the catalog."""

    def __init__(
        self,
        *,
        accounts: AccountStore,
        plans: PlanStore,
        catalogs: CatalogStore,
        clock: StoreClock,
        max_accounts: int = 20_000,
    ) -> None:
        self._clock = clock
        self._entries: LeastRecent[AccountUid, _Entry] = LeastRecent(
            max_accounts, on_evict=lambda _, entry: self._forget_name(entry)
        )
        self._uids: dict[AccountName, AccountUid] = {}
        self._plans: LeastRecent[PlanName, PlanRecord] = LeastRecent(_MAX_PLANS)
        self._catalog: CatalogRecord | None = None
        self._by_uid = SingleFlight(accounts.get_account_by_uid)
        self._by_name = SingleFlight(accounts.get_account)
        self._plan_flights = SingleFlight(plans.get_plan)
        self._catalog_flights: SingleFlight[None, CatalogRecord | None] = SingleFlight(
            lambda _: catalogs.get_catalog()
        )

    async def uid_of(self, name: AccountName) -> AccountUid | None:
        """Return the identity of an account that is not deleted; None where there is none.

        An absent or deleted account is looked for each time: it may be new.
        """
        uid = self.remembered_uid(name)
        if uid is not None:
            return uid
        entry = self._keep(await self._by_name.fetch(name, accept=_is_alive))
        return entry.record.uid if entry is not None and not entry.record.deleted else None

    def remembered_uid(self, name: AccountName) -> AccountUid | None:
        """Return the identity of an account that is in memory and not deleted."""
        uid = self._uids.get(name)
        entry = self._entries.get(uid) if uid is not None else None
        return uid if entry is not None and not entry.record.deleted else None

    async def key(self, uid: AccountUid, key_hash: KeyHash) -> KeyIdentity | None:
        """Return the account's key with that hash, valid or not; None where it has none.

        A key that is not known is looked for once in the store: it may be new.
        """
        entry = self._entries.get(uid)
        if entry is None or key_hash not in entry.keys:
            view = await self._by_uid.fetch(uid, accept=lambda view: _has_key(view, key_hash))
            entry = self._keep(view)
        return entry.keys.get(key_hash) if entry is not None else None

    async def snapshot(self, uid: AccountUid) -> Snapshot | Denial:
        """Return the account's documents, from memory where they are there.

        A Denial (something is missing) was read from the store just now.

        Raises:
            StoreUnavailable: something is not remembered and could not be read.
        """
        remembered = self.remembered(uid)
        if remembered is not None:
            return remembered
        entry = self._entries.get(uid)
        plan = await self._plan_of(entry)
        if entry is None or plan is None:
            # Not even the plan's absence is believed of an account that is only remembered: it may
            # have been given another one before its plan was deleted.
            entry = await self._load(uid)
            plan = await self._plan_of(entry)
        if entry is None:
            return ACCOUNT_GONE
        if plan is None:
            return _plan_missing(entry.record)
        if self._catalog is None:
            self._catalog = await self._catalog_flights.fetch(None, accept=_is_there)
        if self._catalog is None:
            return _catalog_missing()
        return self._resolve(entry, plan, self._catalog)

    def refresh(self, uid: AccountUid, stale: Stale) -> None:
        """Take over what the store said is in force for the account."""
        if stale.account_missing:
            self._drop(uid)
        entry = self._entries.get(uid)
        if stale.account is not None:
            self._keep(AccountView(stale.account, stale.open_period, stale.store_us))
        elif entry is not None:
            entry.open_period = stale.open_period
            entry.snapshot = None
        self._refresh_plan(entry, stale)
        if stale.catalog is not None or stale.catalog_missing:
            self._catalog = stale.catalog

    def _refresh_plan(self, entry: _Entry | None, stale: Stale) -> None:
        if stale.plan is not None:
            self._plans.put(stale.plan.plan.name, stale.plan)
        elif stale.plan_missing:
            record = stale.account or (entry.record if entry else None)
            if record is not None:
                self._plans.pop(record.account.plan)

    def remembered(self, uid: AccountUid) -> Snapshot | None:
        """Return the account's documents where all are in memory, as for nearly every call."""
        entry = self._entries.get(uid)
        plan = self._plans.get(entry.record.account.plan) if entry is not None else None
        if entry is None or plan is None or self._catalog is None:
            return None
        return self._resolve(entry, plan, self._catalog)

    def _resolve(self, entry: _Entry, plan: PlanRecord, catalog: CatalogRecord) -> Snapshot:
        now_us = self._clock.now_us()
        known = entry.snapshot
        if (
            known is not None
            and known.plan is plan
            and known.catalog is catalog
            and now_us < known.proposed_period.end_us
        ):
            return known
        limits = resolve(entry.record, plan, catalog)
        open_end_us = entry.open_period.end_us if entry.open_period else None
        proposed = proposed_period(open_end_us, now_us, limits.anchor_day, limits.time_zone)
        shortlists = Shortlists(limits, catalog.catalog)
        entry.snapshot = Snapshot(
            entry.record, plan, catalog, limits, shortlists, entry.open_period, proposed
        )
        return entry.snapshot

    async def _load(self, uid: AccountUid) -> _Entry | None:
        view = await self._by_uid.fetch(uid, accept=_is_there)
        if view is None:
            self._drop(uid)
        return self._keep(view)

    async def _plan_of(self, entry: _Entry | None) -> PlanRecord | None:
        if entry is None:
            return None
        name = entry.record.account.plan
        record = self._plans.get(name)
        if record is None:
            record = await self._plan_flights.fetch(name, accept=_is_there)
            if record is not None:
                self._plans.put(name, record)
        return record

    async def snapshot_for_ending(self, uid: AccountUid) -> Snapshot | Denial:
        """Return the account's documents with stand-ins for plan and catalog where they are gone.

        Raises:
            StoreUnavailable: something is not remembered and could not be read.
        """
        found = await self.snapshot(uid)
        entry = self._entries.get(uid)
        if isinstance(found, Snapshot) or entry is None:
            return found
        name = entry.record.account.plan
        plan = self._plans.get(name) or closed_plan(name)
        return self._resolve(entry, plan, self._catalog or EMPTY_CATALOG)

    async def read_catalog(self) -> CatalogRecord | None:
        """Return the catalog that is in force at some instant of this call; None without one.

        Calls at the same time share one look at the store that begins after them.

        Raises:
            StoreUnavailable: it could not be read.
        """
        return await self._catalog_flights.fetch(None, accept=lambda _: False)

    def _keep(self, view: AccountView | None) -> _Entry | None:
        if view is None:
            return None
        record = view.record
        known = self._entries.get(record.uid)
        if (
            known is not None
            and known.record.generation == record.generation
            and known.open_period == view.open_period
        ):
            return known  # with what was made of it
        keys = {key.hash: KeyIdentity(record.uid, key.hash, key.name) for key in record.secrets}
        entry = _Entry(record, keys, view.open_period)
        self._entries.put(record.uid, entry)
        self._uids[record.account.name] = record.uid
        return entry

    def _drop(self, uid: AccountUid) -> None:
        entry = self._entries.pop(uid)
        if entry is not None:
            self._forget_name(entry)

    def _forget_name(self, entry: _Entry) -> None:
        # The name may stand for another account by now.
        if self._uids.get(entry.record.account.name) == entry.record.uid:
            del self._uids[entry.record.account.name]


def _is_there(found: object) -> bool:
    return found is not None


def _is_alive(view: AccountView | None) -> bool:
    return view is not None and not view.record.deleted


def _has_key(view: AccountView | None, key_hash: KeyHash) -> bool:
    return view is not None and any(key.hash == key_hash for key in view.record.secrets)


def _plan_missing(record: AccountRecord) -> Denial:
    plan = record.account.plan
    return Denial(
        Reason.RESOURCE_NOT_FOUND,
        f"The plan {plan} of the account {record.account.name} does not exist: apply it, or give "
        "the account another plan.",
        facts={"plan": plan},
    )


def _catalog_missing() -> Denial:
    return Denial(
        Reason.RESOURCE_NOT_FOUND, "There is no catalog: apply one, which says what models cost."
    )
