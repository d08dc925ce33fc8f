"""What the ledger keeps: one entry for everything that happened to money or to a document.

Entries are only ever added. Amounts are changes, so that sums over any set of entries mean
something; `settled_after_nano_usd` is the account's counter after the entry, so that the chain can
be checked while it grows (docs/protocol.md §8).
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum

from fluxrouter_server.domain.ids import (
    AccountUid,
    HoldId,
    KeyName,
    LaneId,
    ModelId,
    PlanName,
    Principal,
    RequestId,
)
from fluxrouter_server.domain.pricing import Rates, Usage


class EntryKind(StrEnum):
    """What happened."""

    SETTLEMENT = "settlement"  # a live hold was charged with what was used
    RELEASE = "release"  # a hold was given back
    EXPIRY = "expiry"  # a hold's time was over: charged or given back, as its plan said
    CORRECTION = "correction"  # real usage came after the hold had ended
    ADJUSTMENT = "adjustment"  # an operator corrected what was used; the counter moved
    INVOICE_CREDIT = "invoice-credit"  # an operator credits the next invoice; no counter moved
    ALERT = "alert"  # a threshold of the month's cap was reached
    PERIOD_CLOSE = "period-close"  # nothing can be charged to the period any more


#: Kinds that say nothing of money: they move no sum.
KINDS_WITHOUT_MONEY = frozenset({EntryKind.ALERT, EntryKind.PERIOD_CLOSE})

NO_RATES = Rates(0, 0, 0, 0)
NO_USAGE = Usage(0, 0, 0, 0)


@dataclass(frozen=True, slots=True)
class Funds:
    """Amounts of an entry, or sums of them, in nano-USD; negative where something is given back.

    cost = billed + absorbed − credit, billed = included + metered. `credit` is for an invoice only:
    it belongs to a period whose counters are closed.
    """

    cost_nano_usd: int = 0
    billed_nano_usd: int = 0
    absorbed_nano_usd: int = 0
    included_nano_usd: int = 0
    metered_nano_usd: int = 0
    credit_nano_usd: int = 0


@dataclass(frozen=True, slots=True)
class LedgerEntry:
    """One entry of an account.

    Attributes:
        uid: The account's identity.
        epoch: Life of the shard's data in which it was written.
        seq: The account's own sequence, from 1, without gaps; documents' entries count too.
        shard: Where the account lies.
        kind: What happened.
        time_us: The store's time of it, µs since 1970 UTC.
        period: Number of the period it belongs to, from 1.
        period_start_us: Begin of that period.
        period_end_us: End of that period.
        hour: Unix hour that the hold counts in; 0 without a hold.
        hold_id: The hold, None without one.
        request_id: The caller's id of the request, or the adjustment's own id.
        attempt: Of that request.
        n: How many entries the hold had before, or the percentage of an alert.
        state: What became of the hold.
        principal: Who made the hold, or the adjustment.
        key: The API key's name; empty without one.
        labels: As the request carried them.
        model_asked: Model id or alias of the request.
        model: The model that served.
        lane: Its lane.
        tier: What the request was classified as; empty where a model was named.
        upstream: The provider, and in `upstream_model` its name of the model.
        upstream_model: See `upstream`.
        rates: Applied, nano-USD for 1M tokens.
        usage: Tokens by kind; all 0 where no usage was reported.
        has_usage: Whether usage was reported, so that this entry counts as a request.
        catalog_generation: The catalog that it was routed by.
        plan: The plan that paid for it, and in `plan_generation` its version.
        plan_generation: See `plan`.
        funds: What changed.
        freed_nano_usd: What the hold set aside until now.
        settled_after_nano_usd: The period's counter after this entry; None in a closed period.
        levels: Names of the counters that moved, as the store has them.
        percent: Of an alert; 0 else.
        reason: Of an adjustment; empty else.
    """

    uid: AccountUid
    epoch: int
    seq: int
    shard: int
    kind: EntryKind
    time_us: int
    period: int
    period_start_us: int
    period_end_us: int
    hour: int
    hold_id: HoldId | None
    request_id: RequestId
    attempt: int
    n: int
    state: str
    principal: Principal
    key: KeyName
    labels: Mapping[str, str]
    model_asked: str
    model: ModelId
    lane: LaneId
    tier: str
    upstream: str
    upstream_model: str
    rates: Rates
    usage: Usage
    has_usage: bool
    catalog_generation: str
    plan: PlanName
    plan_generation: str
    funds: Funds
    freed_nano_usd: int
    settled_after_nano_usd: int | None
    levels: tuple[str, ...]
    percent: int
    reason: str


@dataclass(frozen=True, slots=True)
class ControlEntry:
    """A document was written: what the store would need to have it again.

    Attributes:
        shard: In which it was written.
        epoch: Life of the shard's data.
        stream_id: Its place in the shard's stream, unique within the epoch.
        time_us: The store's time, µs since 1970 UTC.
        document: `plan`, `catalog`, `account`, `credential` or `layout`.
        name: The document's name; empty where there is one only.
        generation: Its version; the marker of a layout.
        body: The document as the store keeps it; None where it was deleted.
        uid: Of an account; None else.
        seq: Place in the account's own sequence; 0 else.
        flags: Of an account: suspended, deleted.
    """

    shard: int
    epoch: int
    stream_id: str
    time_us: int
    document: str
    name: str
    generation: str
    body: bytes | None
    uid: AccountUid | None
    seq: int
    flags: int


@dataclass(frozen=True, slots=True)
class UnreadableEntry:
    """Bytes that are no entry as this server knows them; they are kept as they are."""

    shard: int
    stream_id: str
    reason: str
    body: bytes


AnyEntry = LedgerEntry | ControlEntry | UnreadableEntry
