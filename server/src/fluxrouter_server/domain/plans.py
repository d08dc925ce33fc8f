"""Plans: what an account may spend, how fast, on what, and who pays."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from fluxrouter_server.domain.ids import LaneId, ModelId, PlanName


class Overage(StrEnum):
    """What happens beyond the included credit."""

    NONE = "none"
    METERED = "metered"


class Enforcement(StrEnum):
    """Whether denials deny, or are only reported."""

    ENFORCE = "enforce"
    OBSERVE = "observe"


class OnExpiry(StrEnum):
    """What becomes of the money of a hold that expires."""

    CHARGE = "charge"
    RELEASE = "release"


@dataclass(frozen=True, slots=True)
class RateLimits:
    """Rates with all defaults filled in; None is unlimited."""

    requests_per_second: int | None = None
    request_burst: int | None = None
    tokens_per_minute: int | None = None
    token_burst: int | None = None
    max_in_flight: int | None = None


@dataclass(frozen=True, slots=True)
class HoldRules:
    """How long holds live and how they end by themselves."""

    expiry_seconds: int = 120
    on_expiry: OnExpiry = OnExpiry.CHARGE
    min_output_tokens: int = 16


@dataclass(frozen=True, slots=True)
class LabelRequirement:
    """One condition of a NamespaceSelector."""

    key: str
    operator: str
    values: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class NamespaceSelector:
    """Which namespaces of a cluster may use a plan, which a Kubernetes operator enforces.

    Kept and returned, never interpreted here.
    """

    match_labels: Mapping[str, str]
    match_expressions: tuple[LabelRequirement, ...]


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan with all defaults filled in; amounts in nano-USD.

    Exactly one of `cap_nano_usd` and `ceiling_nano_usd` is set; both stop hard at the same place,
    `month_cap_nano_usd`.
    """

    name: PlanName
    display_name: str
    description: str
    fee_nano_usd: int
    included_credit_nano_usd: int
    cap_nano_usd: int | None
    ceiling_nano_usd: int | None
    overage: Overage
    hourly_cap_nano_usd: int | None
    rate_limits: RateLimits
    lanes: frozenset[LaneId] | None  # None: all
    models: frozenset[ModelId] | None  # None: all
    payment_method_required: bool
    enforcement: Enforcement
    holds: HoldRules
    alert_percents: tuple[int, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    namespace_selector: NamespaceSelector | None = None
    absorbed_stop_nano_usd: int | None = None  # None: whatever is absorbed stops nothing

    @property
    def month_cap_nano_usd(self) -> int:
        """The month's hard stop, whether it is an allowance or a safety limit."""
        cap = self.cap_nano_usd if self.cap_nano_usd is not None else self.ceiling_nano_usd
        if cap is None:
            raise ValueError(f"plan {self.name}: neither cap nor ceiling is set")
        return cap
