from dataclasses import replace
from typing import Any

import pytest

from fluxrouter_server.domain.account_rules import validate_account
from fluxrouter_server.domain.accounts import Account, Budget, KeyLimits, KeySecret, LimitOverrides
from fluxrouter_server.domain.ids import AccountName, KeyName, ModelId, PlanName
from fluxrouter_server.domain.plans import Overage, RateLimits
from fluxrouter_testing.catalogs import full_catalog
from fluxrouter_testing.resources import sample_account, sample_plan

DOLLAR = 1_000_000_000
TOO_MUCH = 2**53 + 1
LABELS = {"team": "search"}


def account(**changes: Any) -> Account:  # noqa: ANN401 - a value of any field
    return replace(sample_account(), **changes)


def with_overrides(*, rates: RateLimits | None = None, **caps: int) -> Account:
    return account(overrides=LimitOverrides(**caps, rate_limits=rates or RateLimits()))


def with_budgets(*budgets: Budget) -> Account:
    return account(budgets=budgets)


def with_keys(*keys: KeyLimits) -> Account:
    return account(keys=keys)


def key(name: str = "ci", **changes: Any) -> KeyLimits:  # noqa: ANN401 - a value of any field
    return replace(KeyLimits(KeyName(name), None, None, None), **changes)


WRONG = {
    "nameless Secret": (
        with_keys(key(secret=KeySecret("", 0, 0))),
        "spec.apiKeys[0].secret.name",
    ),
    "long name of a Secret": (
        with_keys(key(secret=KeySecret("s" * 254, 0, 0))),
        "spec.apiKeys[0].secret.name",
    ),
    "name": (account(name=AccountName("default/De mo")), "metadata.name"),
    "namespace": (account(name=AccountName("Acme/demo")), "metadata.namespace"),
    "no namespace": (account(name=AccountName("/demo")), "metadata.namespace"),
    "no plan": (account(plan=PlanName("")), "spec.plan"),
    "anchor day 0": (account(anchor_day=0), "spec.billing.anchorDay"),
    "anchor day 32": (account(anchor_day=32), "spec.billing.anchorDay"),
    "unknown zone": (account(time_zone="Europe/Atlantis"), "spec.billing.timeZone"),
    "no zone": (account(time_zone=""), "spec.billing.timeZone"),
    "absurd hour": (
        with_overrides(hourly_cap_nano_usd=TOO_MUCH),
        "spec.overrides.hourlyCapUsd",
    ),
    "cap above the credit": (
        with_overrides(cap_nano_usd=DOLLAR + 1),
        "spec.overrides.capUsd",
    ),
    "negative rate": (
        with_overrides(rates=RateLimits(requests_per_second=-1)),
        "spec.overrides.rateLimits.requestsPerSecond",
    ),
    "burst of tokens that nothing limits": (
        with_overrides(rates=RateLimits(token_burst=500)),
        "spec.overrides.rateLimits.tokenBurst",
    ),
    "burst below the smallest grant": (
        with_overrides(rates=RateLimits(tokens_per_minute=100, token_burst=15)),
        "spec.overrides.rateLimits.tokenBurst",
    ),
    "budget's name": (with_budgets(Budget("A", LABELS, 1)), "spec.budgets[0].name"),
    "budget's name twice": (
        with_budgets(Budget("a", LABELS, 1), Budget("b", LABELS, 1), Budget("a", LABELS, 1)),
        "spec.budgets[2].name",
    ),
    "budget's cap": (with_budgets(Budget("a", LABELS, -1)), "spec.budgets[0].capUsd"),
    "budget of everything": (with_budgets(Budget("a", {}, 1)), "spec.budgets[0].matchLabels"),
    "budget's label": (
        with_budgets(Budget("a", {"": "x"}, 1)),
        "spec.budgets[0].matchLabels",
    ),
    "too many budgets": (
        with_budgets(*[Budget(f"b{n}", LABELS, 1) for n in range(65)]),
        "spec.budgets",
    ),
    "key's name": (with_keys(key("a/b")), "spec.apiKeys[0].name"),
    "key's name twice": (with_keys(key(), key()), "spec.apiKeys[1].name"),
    "key's cap": (with_keys(key(cap_nano_usd=TOO_MUCH)), "spec.apiKeys[0].capUsd"),
    "key's end": (with_keys(key(expire_us=-1)), "spec.apiKeys[0].expireTime"),
    "key's models": (
        with_keys(key(), key("b", allowed_models=frozenset({ModelId("gone")}))),
        "spec.apiKeys[1].allowedModels",
    ),
    "too many keys": (with_keys(*[key(f"k{n}") for n in range(257)]), "spec.apiKeys"),
}


def test_an_account_with_everything_is_accepted() -> None:
    full = account(
        anchor_day=31,
        time_zone="Pacific/Apia",
        overrides=LimitOverrides(DOLLAR, 0, RateLimits(5, 9)),
        budgets=(Budget("search", LABELS, DOLLAR),),
        keys=(key(cap_nano_usd=0, expire_us=5, allowed_models=frozenset({ModelId("fast-1")})),),
    )
    assert validate_account(full, sample_plan(), full_catalog()) == ()


@pytest.mark.parametrize("wrong,path", WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_named_with_its_path_and_a_remedy(wrong: Account, path: str) -> None:
    (violation,) = validate_account(wrong, sample_plan(), full_catalog())
    assert violation.field == path
    assert len(violation.description.split()) > 4


def test_an_unknown_plan_is_named() -> None:
    (violation,) = validate_account(sample_account(), None, full_catalog())
    assert violation.field == "spec.plan"
    assert "'free'" in violation.description


def test_an_absurd_cap_is_refused_under_metered_use_too() -> None:
    metered = replace(sample_plan(), overage=Overage.METERED)
    wrong = with_overrides(cap_nano_usd=TOO_MUCH)
    (violation,) = validate_account(wrong, metered, None)
    assert violation.field == "spec.overrides.capUsd"
