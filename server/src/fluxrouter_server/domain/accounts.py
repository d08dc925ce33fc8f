"""Accounts: who spends, their billing month, budgets and API keys."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from fluxrouter_server.domain.ids import AccountName, KeyHash, KeyName, ModelId, PlanName
from fluxrouter_server.domain.plans import RateLimits


class PaymentMethod(StrEnum):
    """What can be charged; details live with the payment provider."""

    NONE = "none"
    CARD = "card"
    INVOICE = "invoice"


class NearCap(StrEnum):
    """What becomes of a request for a tier of which no model fits the money that is left."""

    CHEAPER_LANE = "cheaper-lane"  # a cheaper tier's model answers, where one fits
    SAME_TIER = "same-tier"  # the output is shrunk, or the request denied


class KeyState(StrEnum):
    """Life of an API key."""

    ACTIVE = "active"
    ROTATED = "rotated"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class Budget:
    """A named cap for the requests that carry all of `match_labels`."""

    name: str
    match_labels: Mapping[str, str]
    cap_nano_usd: int


@dataclass(frozen=True, slots=True)
class KeySecret:
    """Where a Kubernetes operator keeps a key; kept and returned, never interpreted here."""

    name: str
    rotation: int
    rotation_grace_seconds: int


@dataclass(frozen=True, slots=True)
class KeyLimits:
    """What an account's spec says of the key of this name; None is no limit of its own."""

    name: KeyName
    cap_nano_usd: int | None
    expire_us: int | None
    allowed_models: frozenset[ModelId] | None
    secret: KeySecret | None = None


@dataclass(frozen=True, slots=True)
class KeyRecord:
    """One secret of a key, as its hash. A rotated key has several records of one name."""

    name: KeyName
    hash: KeyHash
    state: KeyState
    create_us: int
    grace_end_us: int | None  # set while ROTATED


@dataclass(frozen=True, slots=True)
class LimitOverrides:
    """Limits in place of the plan's; None is the plan's. Each rate that is None is the plan's."""

    cap_nano_usd: int | None = None
    hourly_cap_nano_usd: int | None = None
    rate_limits: RateLimits = RateLimits()


@dataclass(frozen=True, slots=True)
class Account:
    """The wanted state of an account, with all defaults filled in."""

    name: AccountName
    display_name: str
    plan: PlanName
    anchor_day: int
    time_zone: str
    payment_method: PaymentMethod
    suspended: bool
    overrides: LimitOverrides
    budgets: tuple[Budget, ...]
    keys: tuple[KeyLimits, ...]
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)
    near_cap: NearCap = NearCap.CHEAPER_LANE
