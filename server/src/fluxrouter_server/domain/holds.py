"""Holds: money set aside for admitted requests, and what their endings come to."""

from dataclasses import dataclass
from enum import StrEnum

from fluxrouter_server.domain.catalog import Tier
from fluxrouter_server.domain.ids import HoldId, LaneId, ModelId, RequestId
from fluxrouter_server.domain.pricing import Rates
from fluxrouter_server.domain.values import per_call_value


class HoldState(StrEnum):
    """Life of a hold."""

    ACTIVE = "active"
    SETTLED = "settled"
    RELEASED = "released"
    EXPIRED_CHARGED = "expired-charged"
    EXPIRED_RELEASED = "expired-released"


@dataclass(frozen=True, slots=True)
class PricedModel:
    """A model that is served at these rates: what its candidates have in common."""

    model: ModelId
    lane: LaneId
    upstream: str
    upstream_model: str
    rates: Rates


@per_call_value
class Candidate:
    """A model that may serve a request, and what it would need at most.

    `input_tokens` is an upper bound with its margin; output tokens are for one choice. The need is
    the input at its dearest input rate plus `choices` times the output.
    """

    priced: PricedModel
    input_tokens: int
    output_tokens: int
    choices: int

    @property
    def model(self) -> ModelId:
        """Which model."""
        return self.priced.model

    @property
    def rates(self) -> Rates:
        """What its tokens cost."""
        return self.priced.rates


@per_call_value
class Hold:
    """An admitted request as its caller sees it; amounts in nano-USD, instants in µs."""

    id: HoldId
    request_id: RequestId
    attempt: int
    state: HoldState
    model: ModelId
    lane: LaneId
    upstream: str
    upstream_model: str
    tier: Tier | None
    rates: Rates
    input_tokens: int
    granted_output_tokens: int
    wished_output_tokens: int
    held_nano_usd: int
    headroom_nano_usd: int
    expire_us: int
    period_end_us: int
    would_deny: str  # a Reason under `observe`, else ""


@per_call_value
class Receipt:
    """What the ending of a hold came to; cost = billed + absorbed, billed = included + metered."""

    hold_id: HoldId | None
    request_id: RequestId
    attempt: int
    state: HoldState
    replayed: bool
    cost_nano_usd: int
    billed_nano_usd: int
    absorbed_nano_usd: int
    included_nano_usd: int
    metered_nano_usd: int
    headroom_nano_usd: int
    model: ModelId | None
    lane: LaneId | None


@dataclass(frozen=True, slots=True)
class LevelSpend:
    """Counters of one level; `cap_nano_usd` is None where the level has no cap."""

    level: str  # "account", "hour", "budget/<name>" or "key/<name>"
    cap_nano_usd: int | None
    settled_nano_usd: int
    held_nano_usd: int

    @property
    def headroom_nano_usd(self) -> int | None:
        """max(0, cap − settled − held), None without a cap."""
        if self.cap_nano_usd is None:
            return None
        return max(0, self.cap_nano_usd - self.settled_nano_usd - self.held_nano_usd)
