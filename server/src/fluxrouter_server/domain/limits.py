"""Limits: a plan and an account resolved into what the hot path enforces."""

from collections.abc import Mapping
from dataclasses import dataclass

from fluxrouter_server.domain.accounts import Account, KeyLimits, KeyRecord
from fluxrouter_server.domain.catalog import Catalog
from fluxrouter_server.domain.ids import AccountName, AccountUid, KeyHash, KeyName, PlanName
from fluxrouter_server.domain.plans import Enforcement, HoldRules, Overage, Plan, RateLimits


@dataclass(frozen=True, slots=True)
class Generation:
    """Version of a document. Newer is a higher counter; equal is equality of the pair."""

    counter: int
    nonce: str  # 8 hexadecimal digits, so that two lives of a name never look alike

    def __str__(self) -> str:
        """The form that travels to the store and back."""
        return f"{self.counter}-{self.nonce}"


@dataclass(frozen=True, slots=True)
class PlanRecord:
    """A stored plan."""

    plan: Plan
    generation: Generation
    update_us: int


@dataclass(frozen=True, slots=True)
class CatalogRecord:
    """The stored catalog."""

    catalog: Catalog
    generation: Generation
    update_us: int


@dataclass(frozen=True, slots=True)
class AccountRecord:
    """A stored account with its key hashes; `deleted` until purged."""

    uid: AccountUid
    account: Account
    secrets: tuple[KeyRecord, ...]
    deleted: bool
    generation: Generation
    update_us: int


@dataclass(frozen=True, slots=True)
class BudgetLimit:
    """A budget's hard stop of a month."""

    name: str
    match_labels: Mapping[str, str]
    cap_nano_usd: int


@dataclass(frozen=True, slots=True)
class Limits:
    """What is enforced for one account, and the generations it follows from."""

    uid: AccountUid
    account: AccountName
    plan: PlanName
    account_generation: Generation
    plan_generation: Generation
    catalog_generation: Generation
    month_cap_nano_usd: int
    hourly_cap_nano_usd: int | None
    included_credit_nano_usd: int
    overage: Overage
    rate_limits: RateLimits
    payment_method_missing: bool
    suspended: bool
    deleted: bool
    enforcement: Enforcement
    holds: HoldRules
    alert_percents: tuple[int, ...]
    budgets: tuple[BudgetLimit, ...]
    keys: Mapping[KeyName, KeyLimits]
    secrets: Mapping[KeyHash, KeyRecord]
    anchor_day: int
    time_zone: str
