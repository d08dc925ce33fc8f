from dataclasses import replace
from typing import Any

import pytest

from fluxrouter_server.domain.ids import LaneId, ModelId, PlanName
from fluxrouter_server.domain.plan_rules import validate_plan, validate_rate_limits
from fluxrouter_server.domain.plans import (
    HoldRules,
    LabelRequirement,
    NamespaceSelector,
    Overage,
    Plan,
    RateLimits,
)
from fluxrouter_testing.catalogs import full_catalog
from fluxrouter_testing.resources import sample_plan

DOLLAR = 1_000_000_000
TOO_MUCH = 2**53 + 1


def plan(**changes: Any) -> Plan:  # noqa: ANN401 - a value of any field
    return replace(sample_plan(), **changes)


def for_namespaces(*conditions: LabelRequirement, labels: int = 0) -> Plan:
    pairs = {str(number): "x" for number in range(labels)}
    return plan(namespace_selector=NamespaceSelector(pairs, conditions))


IN_MANY = LabelRequirement("team", "In", tuple(map(str, range(65))))
WRONG = {
    "too many labels of namespaces": (
        for_namespaces(labels=65),
        "spec.namespaceSelector.matchLabels",
    ),
    "too many conditions": (
        for_namespaces(*[LabelRequirement("team", "Exists", ())] * 65),
        "spec.namespaceSelector.matchExpressions",
    ),
    "too many values of a condition": (
        for_namespaces(IN_MANY),
        "spec.namespaceSelector.matchExpressions[0].values",
    ),
    "name": (plan(name=PlanName("Free!")), "metadata.name"),
    "long name for people": (plan(display_name="x" * 129), "spec.displayName"),
    "long description": (plan(description="x" * 1025), "spec.description"),
    "negative fee": (plan(fee_nano_usd=-1), "spec.feeUsd"),
    "absurd fee": (plan(fee_nano_usd=TOO_MUCH), "spec.feeUsd"),
    "absurd credit": (plan(included_credit_nano_usd=TOO_MUCH), "spec.includedCreditUsd"),
    "absurd cap": (plan(cap_nano_usd=TOO_MUCH, overage=Overage.METERED), "spec.capUsd"),
    "absurd hour": (plan(hourly_cap_nano_usd=TOO_MUCH), "spec.hourlyCapUsd"),
    "neither cap nor ceiling": (plan(cap_nano_usd=None), "spec.capUsd"),
    "both cap and ceiling": (plan(ceiling_nano_usd=DOLLAR), "spec.ceilingUsd"),
    "cap above the credit": (plan(cap_nano_usd=DOLLAR + 1), "spec.capUsd"),
    "ceiling above the credit": (
        plan(cap_nano_usd=None, ceiling_nano_usd=DOLLAR + 1),
        "spec.ceilingUsd",
    ),
    "no requests": (
        plan(rate_limits=RateLimits(requests_per_second=0)),
        "spec.rateLimits.requestsPerSecond",
    ),
    "too many requests": (
        plan(rate_limits=RateLimits(requests_per_second=1_000_001)),
        "spec.rateLimits.requestsPerSecond",
    ),
    "negative burst": (
        plan(rate_limits=RateLimits(1, -1)),
        "spec.rateLimits.requestBurst",
    ),
    "burst of requests alone": (
        plan(rate_limits=RateLimits(request_burst=5)),
        "spec.rateLimits.requestBurst",
    ),
    "too many tokens": (
        plan(rate_limits=RateLimits(tokens_per_minute=10**9 + 1)),
        "spec.rateLimits.tokensPerMinute",
    ),
    "burst of tokens alone": (
        plan(rate_limits=RateLimits(token_burst=500)),
        "spec.rateLimits.tokenBurst",
    ),
    "burst below the smallest grant": (
        plan(rate_limits=RateLimits(tokens_per_minute=10, token_burst=10)),
        "spec.rateLimits.tokenBurst",
    ),
    "nothing in flight": (
        plan(rate_limits=RateLimits(max_in_flight=0)),
        "spec.rateLimits.maxInFlight",
    ),
    "unknown lane": (plan(lanes=frozenset({LaneId("slow")})), "spec.lanes"),
    "unknown model": (plan(models=frozenset({ModelId("gone")})), "spec.models"),
    "model outside the lanes": (
        plan(lanes=frozenset({LaneId("express")}), models=frozenset({ModelId("standard-1")})),
        "spec.models",
    ),
    "no expiry": (plan(holds=HoldRules(expiry_seconds=0)), "spec.holds.expirySeconds"),
    "long expiry": (plan(holds=HoldRules(expiry_seconds=3601)), "spec.holds.expirySeconds"),
    "no smallest grant": (plan(holds=HoldRules(min_output_tokens=0)), "spec.holds.minOutputTokens"),
    "alert at nothing": (plan(alert_percents=(0, 50)), "spec.alertPercents[0]"),
    "alert above all": (plan(alert_percents=(50, 101)), "spec.alertPercents[1]"),
    "alert twice": (plan(alert_percents=(50, 50)), "spec.alertPercents[1]"),
    "alerts descending": (plan(alert_percents=(80, 50)), "spec.alertPercents[1]"),
}


def test_the_free_plan_is_accepted() -> None:
    assert validate_plan(sample_plan(), full_catalog()) == ()


def test_a_plan_that_names_no_model_needs_no_catalog() -> None:
    assert validate_plan(sample_plan(), None) == ()


@pytest.mark.parametrize("wrong,path", WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_named_with_its_path_and_a_remedy(wrong: Plan, path: str) -> None:
    (violation,) = validate_plan(wrong, full_catalog())
    assert violation.field == path
    assert len(violation.description.split()) > 4


def test_every_wrong_field_is_named_at_once() -> None:
    wrong = plan(fee_nano_usd=-1, alert_percents=(0,), name=PlanName(""))
    assert len(validate_plan(wrong, None)) == 3


def test_a_lane_is_unknown_while_there_is_no_catalog() -> None:
    (violation,) = validate_plan(plan(lanes=frozenset({LaneId("express")})), None)
    assert violation.description == "unknown lane 'express'; the catalog has none"


def test_metered_use_may_be_capped_above_the_credit() -> None:
    metered = plan(cap_nano_usd=5 * DOLLAR, overage=Overage.METERED)
    assert validate_plan(metered, None) == ()


def test_an_override_may_set_a_burst_to_the_plans_rate() -> None:
    assert validate_rate_limits("x", RateLimits(request_burst=5), inherits=True) == ()
