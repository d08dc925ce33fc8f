"""The store of holds and counters: one call, one atomic decision, the store's own clock."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from fluxrouter_server.domain.catalog import Tier
from fluxrouter_server.domain.denials import Denial
from fluxrouter_server.domain.hold_ids import HoldRef
from fluxrouter_server.domain.holds import Candidate, Hold, HoldState, LevelSpend, Receipt
from fluxrouter_server.domain.ids import AccountUid, KeyHash, KeyName, Principal, RequestId
from fluxrouter_server.domain.limits import AccountRecord, CatalogRecord, Limits, PlanRecord
from fluxrouter_server.domain.pace import Pace
from fluxrouter_server.domain.periods import Period
from fluxrouter_server.domain.pricing import Usage
from fluxrouter_server.domain.values import per_call_value


@per_call_value
class AdmitCommand:
    """Everything that admission depends on.

    `limits` were resolved from documents of the generations that they name; the store compares
    them. `candidates` are in order of preference. `proposed_period` is the period to open if the
    open one has ended. `digest` is 16 bytes over account, key and the whole request. `call` names
    this very call (of many with one digest): see `ReleaseCommand`.
    """

    limits: Limits
    principal: Principal
    key_hash: KeyHash | None
    key_name: KeyName | None
    request_id: RequestId
    attempt: int
    digest: bytes
    candidates: tuple[Candidate, ...]
    proposed_period: Period
    labels: Mapping[str, str]
    model_asked: str
    tier: Tier | None
    deadline_us: int | None = None  # store time after which the caller is gone
    call: str = ""  # at most 32 characters, unique
    would_deny: str = (
        ""  # a Reason found before the store was asked, under `observe`; it comes first
    )


@per_call_value
class SettleCommand:
    """Charge a hold. `limits` are today's of the hold's account."""

    hold: HoldRef
    usage: Usage
    limits: Limits
    principal: Principal
    may_meter_any: bool


@dataclass(frozen=True, slots=True)
class ReleaseCommand:
    """Give back a hold, by its request; an unknown request is remembered as released.

    Where `call` is set, a hold that another call of the same request made stays as it is: the
    server undoes a call whose outcome it does not know, never what the caller's retry was given.
    """

    uid: AccountUid
    request_id: RequestId | None  # None where `hold` is given
    attempt: int
    hold: HoldRef | None
    limits: Limits
    principal: Principal
    may_meter_any: bool
    call: str = ""


@dataclass(frozen=True, slots=True)
class ExtendCommand:
    """Enlarge a hold to absolute values; 0 and None leave as it is."""

    hold: HoldRef
    output_tokens: int
    expire_us: int | None
    limits: Limits
    principal: Principal
    may_meter_any: bool


@per_call_value
class Admitted:
    """The hold, new or `replayed`; `pace` of a new one alone."""

    hold: Hold
    replayed: bool
    pace: Pace | None = None


@dataclass(frozen=True, slots=True)
class Stale:
    """The caller's documents or period are not today's: take these, resolve anew, repeat.

    What is None did not change or does not exist; `account_missing` tells the latter.
    """

    account: AccountRecord | None
    plan: PlanRecord | None
    catalog: CatalogRecord | None
    open_period: Period | None
    store_us: int
    account_missing: bool = False
    plan_missing: bool = False
    catalog_missing: bool = False


@dataclass(frozen=True, slots=True)
class Extended:
    """The hold after an extension."""

    held_nano_usd: int
    granted_output_tokens: int
    expire_us: int
    headroom_nano_usd: int


@dataclass(frozen=True, slots=True)
class SpendReading:
    """Counters of an account's open period, read in one step.

    `levels` holds "account" first, then "hour", then every budget and key of `limits` by name.
    A period that has ended by the store's clock reads as a new, empty one.
    """

    period: Period
    levels: tuple[LevelSpend, ...]
    absorbed_nano_usd: int
    included_used_nano_usd: int
    in_flight: int
    store_us: int


@dataclass(frozen=True, slots=True)
class Fit:
    """What admission would do now, without doing it."""

    candidate: Candidate | None  # with the output it would grant
    need_nano_usd: int
    headroom_nano_usd: int
    denial: Denial | None


class HoldStore(Protocol):
    """Decisions about money. Every method raises StoreError where no decision was had."""

    async def admit(self, command: AdmitCommand) -> Admitted | Denial | Stale:
        """Admit once, or say why not, or say that the caller's documents are old."""
        ...

    async def recall(self, command: AdmitCommand) -> Admitted | Denial | Stale | None:
        """Answer as `admit` would before it looks at candidates; they are ignored.

        None where the request is new, nothing of the account's state stops it, and the caller's
        documents are today's. Nothing is written.
        """
        ...

    async def check(self, command: AdmitCommand) -> Fit | Stale:
        """Say what `admit` would do; request id and attempt are ignored, nothing is written."""
        ...

    async def settle(self, command: SettleCommand) -> Receipt | Denial | Stale:
        """Charge at most once."""
        ...

    async def release(self, command: ReleaseCommand) -> Receipt | Denial | Stale:
        """Give back; remember a request that is not known."""
        ...

    async def extend(self, command: ExtendCommand) -> Extended | Denial | Stale:
        """Enlarge a live hold where it fits."""
        ...

    async def read_spend(self, limits: Limits, proposed: Period) -> SpendReading | Stale:
        """Read all counters in one step from the primary."""
        ...


class Sweeper(Protocol):
    """Ends what is overdue, whoever left it behind."""

    async def sweep(self) -> Mapping[HoldState, int]:
        """End the overdue holds of all shards (bounded); answer how many ended in which way."""
        ...


class StoreClock(Protocol):
    """The store's time, estimated from its latest answers."""

    def now_us(self) -> int:
        """Store time in µs since 1970 UTC; never an authority, the scripts decide."""
        ...
