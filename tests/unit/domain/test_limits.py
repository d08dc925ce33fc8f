from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxrouter_server.domain.accounts import (
    Account,
    Budget,
    KeyLimits,
    LimitOverrides,
    PaymentMethod,
)
from fluxrouter_server.domain.ids import AccountUid, KeyName, LaneId, ModelId
from fluxrouter_server.domain.limits import (
    AccountRecord,
    CatalogRecord,
    Generation,
    LevelCap,
    Limits,
    PlanRecord,
    budgets_for,
    key_limits,
    levels,
    may_use,
    override_rates,
    resolve,
)
from fluxrouter_server.domain.plans import Overage, Plan, RateLimits
from fluxrouter_testing.catalogs import full_catalog
from fluxrouter_testing.resources import amounts, sample_account, sample_plan

DOLLAR = 1_000_000_000
FAST = full_catalog().models[ModelId("fast-1")]
CI, OTHER = KeyName("ci"), KeyName("other")
SEARCH = Budget("search", {"team": "search"}, 2 * DOLLAR)
NIGHT = Budget("night", {"team": "search", "job": "night"}, DOLLAR)


def resolved(account: Account | None = None, plan: Plan | None = None) -> Limits:
    return resolve(
        AccountRecord(
            AccountUid("a" * 16),
            account or sample_account(),
            secrets=(),
            deleted=False,
            generation=Generation(2, "00000002"),
            update_us=0,
        ),
        PlanRecord(plan or sample_plan(), Generation(3, "00000003"), 0),
        CatalogRecord(full_catalog(), Generation(4, "00000004"), 0),
    )


def with_overrides(overrides: LimitOverrides) -> Account:
    return replace(sample_account(), overrides=overrides)


def metered(cap: int = 10 * DOLLAR) -> Plan:
    return replace(sample_plan(), cap_nano_usd=None, ceiling_nano_usd=cap, overage=Overage.METERED)


def test_without_overrides_the_plans_limits_hold() -> None:
    limits = resolved()
    assert limits.month_cap_nano_usd == DOLLAR
    assert limits.hourly_cap_nano_usd is None
    assert limits.rate_limits == sample_plan().rate_limits


def test_limits_name_the_generations_that_they_follow_from() -> None:
    limits = resolved()
    assert [
        str(generation)
        for generation in (
            limits.account_generation,
            limits.plan_generation,
            limits.catalog_generation,
        )
    ] == ["2-00000002", "3-00000003", "4-00000004"]


def test_an_accounts_own_caps_replace_the_plans() -> None:
    overrides = LimitOverrides(cap_nano_usd=50 * DOLLAR, hourly_cap_nano_usd=0)
    limits = resolved(with_overrides(overrides), metered())
    assert limits.month_cap_nano_usd == 50 * DOLLAR
    assert limits.hourly_cap_nano_usd == 0


@given(cap=st.none() | amounts(), credit=amounts(), plan_cap=amounts())
def test_a_plan_without_overage_never_lets_more_be_spent_than_its_credit(
    cap: int | None, credit: int, plan_cap: int
) -> None:
    plan = replace(sample_plan(), included_credit_nano_usd=credit, cap_nano_usd=plan_cap)
    limits = resolved(with_overrides(LimitOverrides(cap_nano_usd=cap)), plan)
    assert limits.month_cap_nano_usd <= credit


@pytest.mark.parametrize(
    "plan,override,effective",
    [
        (RateLimits(5, 5), RateLimits(), RateLimits(5, 5)),
        (RateLimits(1, 1), RateLimits(10), RateLimits(10, 10)),
        (RateLimits(1, 5), RateLimits(10), RateLimits(10, 5)),
        (RateLimits(1, 1), RateLimits(10, 20), RateLimits(10, 20)),
        (RateLimits(5, 5), RateLimits(None, 9), RateLimits(5, 9)),
        (RateLimits(), RateLimits(10), RateLimits(10, 10)),
        (
            RateLimits(None, None, 600, 600, 7),
            RateLimits(None, None, 100),
            RateLimits(None, None, 100, 100, 7),
        ),
        (RateLimits(max_in_flight=7), RateLimits(max_in_flight=9), RateLimits(max_in_flight=9)),
    ],
)
def test_an_overridden_rate_takes_its_default_burst_along(
    plan: RateLimits, override: RateLimits, effective: RateLimits
) -> None:
    assert override_rates(plan, override) == effective


@pytest.mark.parametrize(
    "required,method,missing",
    [
        (True, PaymentMethod.NONE, True),
        (True, PaymentMethod.CARD, False),
        (True, PaymentMethod.INVOICE, False),
        (False, PaymentMethod.NONE, False),
    ],
)
def test_a_payment_method_is_missing_only_where_the_plan_requires_one(
    required: bool, method: PaymentMethod, missing: bool
) -> None:
    account = replace(sample_account(), payment_method=method)
    plan = replace(sample_plan(), payment_method_required=required)
    assert resolved(account, plan).payment_method_missing is missing


def test_records_that_do_not_belong_together_are_not_resolved() -> None:
    with pytest.raises(ValueError, match="has the plan free, not pro"):
        resolved(plan=sample_plan("pro"))


@pytest.mark.parametrize(
    "labels,matching",
    [
        ({}, []),
        ({"team": "ads"}, []),
        ({"team": "search"}, ["search"]),
        ({"team": "search", "job": "day"}, ["search"]),
        ({"team": "search", "job": "night", "x": "y"}, ["search", "night"]),
        ({"job": "night"}, []),
    ],
)
def test_a_budget_counts_requests_that_carry_all_its_labels(
    labels: dict[str, str], matching: list[str]
) -> None:
    limits = resolved(replace(sample_account(), budgets=(SEARCH, NIGHT)))
    assert [budget.name for budget in budgets_for(limits, labels)] == matching


def test_a_request_counts_against_month_hour_budgets_and_key() -> None:
    keys = (KeyLimits(CI, cap_nano_usd=5, expire_us=None, allowed_models=None),)
    limits = resolved(replace(sample_account(), budgets=(SEARCH, NIGHT), keys=keys))
    assert levels(limits, labels={"team": "search"}, key=CI) == (
        LevelCap("account", DOLLAR),
        LevelCap("hour", None),
        LevelCap("budget/search", 2 * DOLLAR),
        LevelCap("key/ci", 5),
    )
    assert levels(limits, labels={}, key=None) == (
        LevelCap("account", DOLLAR),
        LevelCap("hour", None),
    )


def test_a_key_that_the_account_does_not_list_has_no_limits_of_its_own() -> None:
    assert key_limits(resolved(), OTHER) == KeyLimits(OTHER, None, None, None)
    assert levels(resolved(), labels={}, key=OTHER)[-1] == LevelCap("key/other", None)


@pytest.mark.parametrize(
    "lanes,models,allowed,may",
    [
        (None, None, None, True),
        (frozenset({"express"}), None, None, True),
        (frozenset({"deep-thought"}), None, None, False),
        (None, frozenset({"fast-1"}), None, True),
        (None, frozenset({"standard-1"}), None, False),
        (frozenset({"express"}), frozenset({"fast-eyes"}), None, False),
        (None, None, frozenset({"fast-1"}), True),
        (None, None, frozenset({"standard-1"}), False),
        (None, None, frozenset(), False),
        (frozenset({"deep-thought"}), None, frozenset({"fast-1"}), False),
    ],
)
def test_a_model_may_be_used_where_lanes_models_and_key_all_allow_it(
    lanes: frozenset[LaneId] | None,
    models: frozenset[ModelId] | None,
    allowed: frozenset[ModelId] | None,
    may: bool,
) -> None:
    account = replace(sample_account(), keys=(KeyLimits(CI, None, None, allowed),))
    limits = resolved(account, replace(sample_plan(), lanes=lanes, models=models))
    assert may_use(limits, FAST, CI) is may


def test_a_keys_models_bind_that_key_alone() -> None:
    account = replace(sample_account(), keys=(KeyLimits(CI, None, None, frozenset()),))
    limits = resolved(account)
    assert may_use(limits, FAST, OTHER)
    assert may_use(limits, FAST, None)
