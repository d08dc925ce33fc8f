"""Limits: a plan and an account resolved into what the hot path enforces."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TypeVar

from fluxrouter_server.domain.accounts import (
    Account,
    KeyLimits,
    KeyRecord,
    NearCap,
    PaymentMethod,
)
from fluxrouter_server.domain.catalog import Catalog, Model
from fluxrouter_server.domain.ids import (
    AccountName,
    AccountUid,
    KeyHash,
    KeyName,
    LaneId,
    ModelId,
    PlanName,
)
from fluxrouter_server.domain.plans import Enforcement, HoldRules, Overage, Plan, RateLimits

T = TypeVar("T")


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
    lanes: frozenset[LaneId] | None = None  # None: all
    models: frozenset[ModelId] | None = None  # None: all
    near_cap: NearCap = NearCap.CHEAPER_LANE
    absorbed_stop_nano_usd: int | None = None  # None: no stop


#: Levels that every account has; the others are `budget/<name>` and `key/<name>`.
ACCOUNT_LEVEL = "account"
HOUR_LEVEL = "hour"
#: Not one of them, but what a denial names where a plan's stop on absorbed cost is reached.
ABSORBED_LEVEL = "absorbed"


@dataclass(frozen=True, slots=True)
class LevelCap:
    """One thing that can stop a request for money; None counts without stopping."""

    level: str
    cap_nano_usd: int | None


def resolve(account: AccountRecord, plan: PlanRecord, catalog: CatalogRecord) -> Limits:
    """Return what is enforced for an account today, with its overrides in place.

    Raises:
        ValueError: the plan is not the account's, so the caller mixed up two records.
    """
    wanted = account.account
    if wanted.plan != plan.plan.name:
        raise ValueError(f"{wanted.name} has the plan {wanted.plan}, not {plan.plan.name}")
    return Limits(
        uid=account.uid,
        account=wanted.name,
        plan=wanted.plan,
        account_generation=account.generation,
        plan_generation=plan.generation,
        catalog_generation=catalog.generation,
        month_cap_nano_usd=_month_cap(plan.plan, wanted.overrides.cap_nano_usd),
        hourly_cap_nano_usd=_or(
            wanted.overrides.hourly_cap_nano_usd, plan.plan.hourly_cap_nano_usd
        ),
        included_credit_nano_usd=plan.plan.included_credit_nano_usd,
        overage=plan.plan.overage,
        rate_limits=override_rates(plan.plan.rate_limits, wanted.overrides.rate_limits),
        payment_method_missing=(
            plan.plan.payment_method_required and wanted.payment_method is PaymentMethod.NONE
        ),
        suspended=wanted.suspended,
        deleted=account.deleted,
        enforcement=plan.plan.enforcement,
        holds=plan.plan.holds,
        alert_percents=plan.plan.alert_percents,
        budgets=tuple(
            BudgetLimit(budget.name, budget.match_labels, budget.cap_nano_usd)
            for budget in wanted.budgets
        ),
        keys={key.name: key for key in wanted.keys},
        secrets={secret.hash: secret for secret in account.secrets},
        anchor_day=wanted.anchor_day,
        time_zone=wanted.time_zone,
        lanes=plan.plan.lanes,
        models=plan.plan.models,
        absorbed_stop_nano_usd=plan.plan.absorbed_stop_nano_usd,
        near_cap=wanted.near_cap,
    )


def override_rates(plan: RateLimits, override: RateLimits) -> RateLimits:
    """Return the plan's rates with those that the account overrides.

    A burst that only repeats its rate (what an unset one becomes) follows an overridden rate:
    10 requests a second in place of 1 would else still have to come one by one.
    """
    return RateLimits(
        requests_per_second=_or(override.requests_per_second, plan.requests_per_second),
        request_burst=_burst(
            override.requests_per_second,
            override.request_burst,
            plan=(plan.requests_per_second, plan.request_burst),
        ),
        tokens_per_minute=_or(override.tokens_per_minute, plan.tokens_per_minute),
        token_burst=_burst(
            override.tokens_per_minute,
            override.token_burst,
            plan=(plan.tokens_per_minute, plan.token_burst),
        ),
        max_in_flight=_or(override.max_in_flight, plan.max_in_flight),
    )


def budgets_for(limits: Limits, labels: Mapping[str, str]) -> tuple[BudgetLimit, ...]:
    """Return the budgets that a request with these labels counts against."""
    given = labels.items()
    return tuple([budget for budget in limits.budgets if budget.match_labels.items() <= given])


def key_limits(limits: Limits, name: KeyName) -> KeyLimits:
    """Return a key's own limits: none where the account's spec has no entry of that name."""
    return limits.keys.get(name) or KeyLimits(
        name=name, cap_nano_usd=None, expire_us=None, allowed_models=None
    )


def may_use(limits: Limits, model: Model, key: KeyName | None) -> bool:
    """Whether plan and key (None: no key is used) allow a model."""
    if limits.lanes is not None and model.lane not in limits.lanes:
        return False
    if limits.models is not None and model.id not in limits.models:
        return False
    own = None if key is None else limits.keys.get(key)
    return own is None or own.allowed_models is None or model.id in own.allowed_models


def levels(
    limits: Limits, *, labels: Mapping[str, str], key: KeyName | None
) -> tuple[LevelCap, ...]:
    """Return all levels that a request counts against, in the order in which they are reported.

    The account's month, its hour, the budgets that its labels select, and the key it came with.
    """
    found = [
        LevelCap(ACCOUNT_LEVEL, limits.month_cap_nano_usd),
        LevelCap(HOUR_LEVEL, limits.hourly_cap_nano_usd),
    ]
    found += [
        LevelCap(f"budget/{budget.name}", budget.cap_nano_usd)
        for budget in budgets_for(limits, labels)
    ]
    if key is not None:
        found.append(LevelCap(f"key/{key}", key_limits(limits, key).cap_nano_usd))
    return tuple(found)


def _month_cap(plan: Plan, override: int | None) -> int:
    cap = _or(override, plan.month_cap_nano_usd)
    if plan.overage is Overage.NONE:
        # The plan may have been edited after the account was accepted. Whatever the order of
        # changes, a plan without overage bills nothing beyond its credit.
        return min(cap, plan.included_credit_nano_usd)
    return cap


def _or(override: T | None, default: T) -> T:
    # Not `override or default`: a cap of 0 is a cap.
    return default if override is None else override


def _burst(
    rate: int | None, burst: int | None, *, plan: tuple[int | None, int | None]
) -> int | None:
    plan_rate, plan_burst = plan
    if burst is not None:
        return burst
    if rate is not None and plan_burst in (None, plan_rate):
        return rate
    return plan_burst
