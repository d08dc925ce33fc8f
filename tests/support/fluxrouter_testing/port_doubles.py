"""The ports of the use cases, in memory: enough to test who asks what when, and no rule of money.

They keep the one promise that orchestration stands on: a decision made from documents of another
generation is answered STALE with those of today. Holds are remembered by request and call only.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import TypeVar

from fluxrouter_server.domain.accounts import Account, KeyRecord
from fluxrouter_server.domain.catalog import Catalog
from fluxrouter_server.domain.denials import Denial, Reason
from fluxrouter_server.domain.hold_ids import HoldRef, format_hold_id, request_key
from fluxrouter_server.domain.holds import Hold, HoldState, LevelSpend, Receipt
from fluxrouter_server.domain.ids import AccountName, AccountUid, PlanName, RequestId
from fluxrouter_server.domain.limits import (
    AccountRecord,
    CatalogRecord,
    Generation,
    Limits,
    PlanRecord,
)
from fluxrouter_server.domain.periods import Period
from fluxrouter_server.domain.plans import Plan
from fluxrouter_server.services.ports.documents import (
    AccountView,
    Change,
    CredentialRecord,
    Written,
)
from fluxrouter_server.services.ports.holds import (
    AdmitCommand,
    Admitted,
    ExtendCommand,
    Extended,
    Fit,
    ReleaseCommand,
    SettleCommand,
    SpendReading,
    Stale,
)
from fluxrouter_server.services.ports.telemetry import Counter, Measure

R = TypeVar("R", PlanRecord, CatalogRecord, AccountRecord)

#: Noon of 1 January 2026, UTC.
NOON_US = 1_767_268_800_000_000
_OPEN = Period(NOON_US - 12 * 3600 * 10**6, NOON_US + 30 * 86_400 * 10**6)


@dataclass(slots=True)
class FixedClock:
    """The store's clock; tests move it."""

    us: int = NOON_US

    def now_us(self) -> int:
        """The instant that it was set to."""
        return self.us


@dataclass(slots=True)
class Counts:
    """Telemetry that remembers; labels are left out."""

    totals: dict[Counter, int] = field(default_factory=dict)

    def count(self, counter: Counter, amount: int = 1, *, label: str = "") -> None:  # noqa: ARG002
        """Add to a counter."""
        self.totals[counter] = self.totals.get(counter, 0) + amount

    def observe(self, measure: Measure, value: float) -> None:
        """Forget it."""


class MemoryDocuments:
    """Plans, catalog, accounts and credentials: all document ports in one."""

    def __init__(self) -> None:
        self.plans: dict[PlanName, PlanRecord] = {}
        self.catalog: CatalogRecord | None = None
        self.accounts: dict[AccountUid, AccountRecord] = {}
        self.credentials: dict[str, CredentialRecord] = {}
        self.before_put_secrets: Callable[[], None] = lambda: None
        self._changes = 0

    def next_generation(self) -> Generation:
        """A generation that no document has had."""
        self._changes += 1
        return Generation(self._changes, f"{self._changes:08x}")

    async def put_plan(self, plan: Plan) -> Written[PlanRecord]:
        """Create or replace."""
        old = self.plans.get(plan.name)
        if old is not None and old.plan == plan:
            return Written(old, Change.UNCHANGED)
        self.plans[plan.name] = record = PlanRecord(plan, self.next_generation(), NOON_US)
        return Written(record, Change.CONFIGURED if old else Change.CREATED)

    async def get_plan(self, name: PlanName) -> PlanRecord | None:
        """Read."""
        return self.plans.get(name)

    async def list_plans(self) -> Sequence[PlanRecord]:
        """All by name."""
        return [self.plans[name] for name in sorted(self.plans)]

    async def delete_plan(self, name: PlanName) -> bool:
        """Remove."""
        return self.plans.pop(name, None) is not None

    async def put_catalog(self, catalog: Catalog) -> Written[CatalogRecord]:
        """Create or replace."""
        change = Change.CONFIGURED if self.catalog else Change.CREATED
        self.catalog = CatalogRecord(catalog, self.next_generation(), NOON_US)
        return Written(self.catalog, change)

    async def get_catalog(self) -> CatalogRecord | None:
        """Read."""
        return self.catalog

    async def delete_catalog(self) -> bool:
        """Remove."""
        was_there, self.catalog = self.catalog is not None, None
        return was_there

    async def put_account(self, account: Account) -> Written[AccountRecord]:
        """Create, replace or revive."""
        old = self._named(account.name)
        if old is not None and old.account == account and not old.deleted:
            return Written(old, Change.UNCHANGED)
        uid = old.uid if old else AccountUid(f"{self._changes:a>16}".translate(_UID_DIGITS))
        secrets = old.secrets if old else ()
        record = AccountRecord(uid, account, secrets, False, self.next_generation(), NOON_US)
        self.accounts[uid] = record
        change = Change.CONFIGURED if old and not old.deleted else Change.CREATED
        return Written(record, change)

    async def get_account(self, name: AccountName) -> AccountView | None:
        """Read by name."""
        record = self._named(name)
        return AccountView(record, _OPEN, NOON_US) if record else None

    async def get_account_by_uid(self, uid: AccountUid) -> AccountView | None:
        """Read by uid."""
        record = self.accounts.get(uid)
        return AccountView(record, _OPEN, NOON_US) if record else None

    async def list_accounts(
        self, *, namespace: str | None, after: AccountName | None, limit: int
    ) -> Sequence[AccountRecord]:
        """A page by name."""
        records = sorted(self.accounts.values(), key=lambda record: record.account.name)
        return [
            record
            for record in records
            if not record.deleted
            and record.account.name > (after or "")
            and (namespace is None or record.account.name.startswith(f"{namespace}/"))
        ][:limit]

    async def delete_account(self, name: AccountName) -> bool:
        """Mark as deleted."""
        record = self._named(name)
        if record is None or record.deleted:
            return False
        self.accounts[record.uid] = replace(record, deleted=True, generation=self.next_generation())
        return True

    def purge(self, name: AccountName) -> None:
        """Forget an account, as the store does after its period is closed."""
        record = self._named(name)
        assert record is not None
        del self.accounts[record.uid]

    async def put_secrets(
        self, uid: AccountUid, *, expected: Generation, secrets: tuple[KeyRecord, ...]
    ) -> AccountRecord | None:
        """Replace the key hashes on condition."""
        interfere, self.before_put_secrets = self.before_put_secrets, lambda: None
        interfere()
        record = self.accounts[uid]
        if record.generation != expected:
            return None
        self.accounts[uid] = replace(record, secrets=secrets, generation=self.next_generation())
        return self.accounts[uid]

    async def put_credential(self, record: CredentialRecord) -> bool:
        """Create."""
        return self.credentials.setdefault(record.name, record) is record

    async def list_credentials(self) -> Sequence[CredentialRecord]:
        """All by name."""
        return [self.credentials[name] for name in sorted(self.credentials)]

    async def delete_credential(self, name: str) -> bool:
        """Remove."""
        return self.credentials.pop(name, None) is not None

    def stale(self, limits: Limits) -> Stale | None:
        """Compare the generations that limits follow from with today's."""
        account = self.accounts.get(limits.uid)
        plan = self.plans.get(limits.plan)
        new_account = _newer(account, limits.account_generation)
        new_plan = _newer(plan, limits.plan_generation)
        new_catalog = _newer(self.catalog, limits.catalog_generation)
        if account and plan and self.catalog and not (new_account or new_plan or new_catalog):
            return None
        return Stale(
            account=new_account,
            plan=new_plan,
            catalog=new_catalog,
            open_period=_OPEN,
            store_us=NOON_US,
            account_missing=account is None,
            plan_missing=plan is None,
            catalog_missing=self.catalog is None,
        )

    def _named(self, name: AccountName) -> AccountRecord | None:
        found = [record for record in self.accounts.values() if record.account.name == name]
        return next((record for record in found if not record.deleted), next(iter(found), None))


class MemoryHolds:
    """Admits whatever is asked with documents of today; remembers holds, counts no money.

    `interfere` runs before each decision. `failures` are raised, the first by the next call, after
    the decision was made (`executed`) or instead of it.
    """

    def __init__(self, documents: MemoryDocuments) -> None:
        self.documents = documents
        self.calls: dict[tuple[RequestId, int], str] = {}  # of live holds
        self.given: dict[tuple[RequestId, int], Hold] = {}  # as they were first answered
        self.refused: set[str] = set()  # calls that were given up
        self.commands: list[AdmitCommand] = []
        self.interfere: Callable[[], None] = lambda: None
        self.failures: list[tuple[BaseException, bool]] = []
        self.settled_nano_usd = 0

    async def admit(self, command: AdmitCommand) -> Admitted | Denial | Stale:
        """Hold, unless the documents are old or the call was given up."""
        self.interfere()
        self.commands.append(command)
        failure, executed = self.failures.pop(0) if self.failures else (None, True)
        stale = self.documents.stale(command.limits)
        identity = (command.request_id, command.attempt)
        replayed = identity in self.calls
        if executed and stale is None and command.call not in self.refused:
            self.calls.setdefault(identity, command.call)
        if failure is not None:
            raise failure
        if stale is not None:
            return stale
        if command.call in self.refused:
            return Denial(Reason.ATTEMPT_SUPERSEDED, "given up")
        return Admitted(self.given.setdefault(identity, _hold(command)), replayed)

    async def recall(self, command: AdmitCommand) -> Admitted | Denial | Stale | None:
        """Know live holds; else compare the documents."""
        self.interfere()
        identity = (command.request_id, command.attempt)
        if identity in self.calls and identity in self.given:
            return Admitted(self.given[identity], replayed=True)
        return self.documents.stale(command.limits)

    async def check(self, command: AdmitCommand) -> Fit | Stale:
        """Everything fits."""
        stale = self.documents.stale(command.limits)
        return stale or Fit(command.candidates[0], 1, 2, None)

    async def settle(self, command: SettleCommand) -> Receipt | Denial | Stale:
        """Charge nothing."""
        self.interfere()
        return self.documents.stale(command.limits) or _receipt(HoldState.SETTLED)

    async def release(self, command: ReleaseCommand) -> Receipt | Denial | Stale:
        """End the request's hold, or remember that its call was given up."""
        if self.failures:
            raise self.failures.pop(0)[0]
        assert command.request_id is not None
        identity = (command.request_id, command.attempt)
        self.refused.add(command.call)
        if command.call in ("", self.calls.get(identity)):
            self.calls.pop(identity, None)
        return _receipt(HoldState.RELEASED)

    async def extend(self, command: ExtendCommand) -> Extended | Denial | Stale:
        """Nothing to enlarge."""
        return self.documents.stale(command.limits) or Extended(1, 1, NOON_US, 1)

    async def read_spend(self, limits: Limits, proposed: Period) -> SpendReading | Stale:  # noqa: ARG002
        """Read the settled amount; compares account and plan, as no counter needs the catalog."""
        self.interfere()
        stale = self.documents.stale(limits)
        if stale is not None and (
            stale.account or stale.plan or stale.account_missing or stale.plan_missing
        ):
            return stale
        level = LevelSpend("account", limits.month_cap_nano_usd, self.settled_nano_usd, 0)
        return SpendReading(_OPEN, (level,), 0, 0, len(self.calls), NOON_US)


_UID_DIGITS = str.maketrans("0189", "bcde")


def _newer(record: R | None, known: Generation) -> R | None:
    return record if record is not None and record.generation != known else None


def _hold(command: AdmitCommand) -> Hold:
    chosen = command.candidates[0]
    limits = command.limits
    key = request_key(limits.uid, command.request_id)
    ref = HoldRef(0, 1, NOON_US // 1000, limits.uid, key, command.attempt)
    return Hold(
        id=format_hold_id(ref),
        request_id=command.request_id,
        attempt=command.attempt,
        state=HoldState.ACTIVE,
        model=chosen.model,
        lane=chosen.priced.lane,
        upstream=chosen.priced.upstream,
        upstream_model=chosen.priced.upstream_model,
        tier=command.tier,
        rates=chosen.rates,
        input_tokens=chosen.input_tokens,
        granted_output_tokens=chosen.output_tokens,
        wished_output_tokens=chosen.output_tokens,
        held_nano_usd=1,
        headroom_nano_usd=1,
        expire_us=NOON_US,
        period_end_us=_OPEN.end_us,
        would_deny=command.would_deny,
    )


def _receipt(state: HoldState) -> Receipt:
    return Receipt(
        hold_id=None,
        request_id=RequestId("r"),
        attempt=1,
        state=state,
        replayed=False,
        cost_nano_usd=0,
        billed_nano_usd=0,
        absorbed_nano_usd=0,
        included_nano_usd=0,
        metered_nano_usd=0,
        headroom_nano_usd=0,
        model=None,
        lane=None,
    )
