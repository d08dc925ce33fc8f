from dataclasses import replace
from typing import Any

import pytest

from fluxrouter_server.domain.catalog import Capability
from fluxrouter_server.domain.denials import Reason
from fluxrouter_server.domain.ids import ModelId
from fluxrouter_server.domain.pricing import RateCard, Rates
from fluxrouter_testing.catalogs import full_catalog
from fluxrouter_testing.routed import (
    CI,
    FAST,
    changed,
    denied,
    limits,
    models,
)


@pytest.mark.parametrize(
    "plan", [{"lanes": frozenset({"deep-thought"})}, {"models": frozenset({"standard-1"})}]
)
def test_a_model_outside_the_plan_is_refused(plan: dict[str, Any]) -> None:
    denial = denied("fast-1", under=limits(**plan))
    assert denial.reason is Reason.MODEL_NOT_IN_PLAN
    assert denial.facts == {"plan": "free", "model": "fast-1"}
    assert "the plan free" in denial.message


def test_a_model_that_the_key_does_not_allow_is_refused_in_the_keys_name() -> None:
    assert models("flux-auto", key=CI) == ["fast-eyes"]
    denial = denied("fast-1", key=CI)
    assert denial.reason is Reason.MODEL_NOT_IN_PLAN
    assert "the API key ci" in denial.message


def test_a_model_without_a_price_is_never_served() -> None:
    future = (RateCard(1_001, Rates(0, 0, 0, 0)),)
    catalog = changed("fast-1", rate_cards=future)
    denial = denied("fast-1", catalog=catalog)
    assert denial.reason is Reason.MODEL_UNPRICED
    assert denial.facts == {"model": "fast-1"}
    assert models("flux-fast", catalog=catalog) == ["fast-eyes"]


def test_a_model_whose_upstream_fails_is_passed_over_or_refused_with_a_delay() -> None:
    assert models("flux-fast", sick=["fast-1"]) == ["fast-eyes"]
    denial = denied("flux-fast", sick=FAST)
    assert denial.reason is Reason.NO_HEALTHY_MODEL
    assert denial.retry_after_us == 1_000_000


def test_of_several_obstacles_the_last_one_is_told() -> None:
    """One more upstream, or a better plan, is what would have helped."""
    denial = denied("flux-fast", capabilities=frozenset({Capability.VISION}), sick=["fast-eyes"])
    assert denial.reason is Reason.NO_HEALTHY_MODEL
    under = limits(models=frozenset({ModelId("fast-1")}))
    denial = denied("flux-auto", under=under, input_tokens=150_000)
    assert denial.reason is Reason.MODEL_NOT_IN_PLAN


@pytest.mark.parametrize(
    "name,nearest",
    [
        ("fast1", "fast-1"),
        ("flux-pinned-fast1", "fast-1"),
        ("flux-atuo", "flux-auto"),
        ("gpt-9000", ""),
        ("x" * 256, ""),
    ],
)
def test_a_name_that_is_nothing_is_refused_with_the_nearest_that_is(
    name: str, nearest: str
) -> None:
    denial = denied(name)
    assert denial.reason is Reason.MODEL_NOT_FOUND
    assert str(denial.facts["nearest"]).split(",")[0] == nearest
    assert denial.facts["model"] == name


def test_no_model_is_suggested_that_would_be_refused() -> None:
    under = limits(models=frozenset({ModelId("standard-1")}))
    assert "fast-1" not in str(denied("fast1", under=under).facts["nearest"])


def test_of_a_thousand_models_the_nearest_is_still_found() -> None:
    catalog = full_catalog()
    many = {ModelId(f"vendor/model-{n}"): catalog.models[ModelId("fast-1")] for n in range(1000)}
    named = {name: replace(one, id=name) for name, one in {**many, **catalog.models}.items()}
    denial = denied("fsat-1", catalog=replace(catalog, models=named))
    assert str(denial.facts["nearest"]).split(",")[0] == "fast-1"


@pytest.mark.parametrize("name", ["fast", "standard", "auto", "flux-pinned-flux-auto"])
def test_a_tiers_name_is_no_name_to_ask_for(name: str) -> None:
    assert denied(name).reason is Reason.MODEL_NOT_FOUND
