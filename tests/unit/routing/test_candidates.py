from dataclasses import replace

import pytest

from fluxrouter_server.domain.accounts import NearCap
from fluxrouter_server.domain.catalog import Tier
from fluxrouter_server.domain.denials import Reason
from fluxrouter_server.domain.holds import Candidate, PricedModel
from fluxrouter_server.domain.ids import LaneId, ModelId
from fluxrouter_testing.catalogs import full_catalog
from fluxrouter_testing.routed import (
    FAST,
    REASONING,
    STANDARD,
    Always,
    denied,
    found,
    limits,
    models,
    only,
)


@pytest.mark.parametrize("name", ["fast-1", "flux-pinned-fast-1", "small"])
def test_a_model_is_asked_for_by_id_pinned_or_alias(name: str) -> None:
    answer = found(name)
    assert [candidate.model for candidate in answer.candidates] == ["fast-1"]
    assert answer.tier is None
    assert answer.reasons_for(ModelId("fast-1")) == ("fast-1 was asked for",)


def test_a_candidate_carries_upstream_lane_and_the_rates_in_force() -> None:
    candidate = only("standard-1", input_tokens=10, max_output_tokens=20, choices=3)
    express = full_catalog().lanes[LaneId("daily-driver")].rate_cards[0].rates
    assert candidate == Candidate(
        priced=PricedModel(
            model=ModelId("standard-1"),
            lane=LaneId("daily-driver"),
            upstream="provider",
            upstream_model="standard-1-latest",
            rates=express,
        ),
        input_tokens=10,
        output_tokens=20,
        choices=3,
    )


@pytest.mark.parametrize(
    "name,order",
    [
        ("flux-fast", FAST),
        ("flux-standard", [*STANDARD, *FAST]),
        ("flux-reasoning", [*REASONING, *STANDARD, *FAST]),
    ],
)
def test_a_tier_is_followed_by_the_cheaper_ones_nearest_first(
    name: str, order: list[ModelId]
) -> None:
    assert models(name) == order


def test_for_auto_the_chooser_names_the_tier() -> None:
    answer = found("flux-auto", text="hello", chooser=Always(Tier.STANDARD))
    assert answer.tier is Tier.STANDARD
    assert [candidate.model for candidate in answer.candidates] == [*STANDARD, *FAST]
    assert answer.reasons == ("5 characters",)


def test_the_chooser_is_offered_only_tiers_that_can_serve() -> None:
    chooser = Always()
    assert models("flux-auto", input_tokens=150_000, chooser=chooser)[0] == "standard-eyes"
    assert chooser.permitted == (Tier.STANDARD, Tier.REASONING)


def test_a_tier_in_the_request_comes_before_the_choice() -> None:
    chooser = Always(Tier.REASONING)
    answer = found("flux-auto", tier=Tier.STANDARD, chooser=chooser)
    assert answer.tier is Tier.STANDARD
    assert chooser.permitted == ()


def test_a_tier_in_the_request_says_nothing_about_a_model_that_is_asked_for() -> None:
    assert models("fast-1", tier=Tier.REASONING) == ["fast-1"]


def test_a_tier_that_was_asked_for_never_becomes_a_dearer_one() -> None:
    assert denied("flux-fast", input_tokens=500_000).reason is Reason.CONTEXT_TOO_LONG


def test_a_model_in_two_tiers_is_one_candidate() -> None:
    catalog = full_catalog()
    tiers = {**catalog.tiers, Tier.FAST: (ModelId("standard-1"), ModelId("fast-1"))}
    answer = found("flux-standard", catalog=replace(catalog, tiers=tiers))
    assert [candidate.model for candidate in answer.candidates] == [*STANDARD, "fast-1"]
    assert answer.tiers == (Tier.STANDARD, Tier.STANDARD, Tier.FAST)


@pytest.mark.parametrize(
    "model,why",
    [
        ("standard-1", "standard-1 is the first of the tier that can serve"),
        ("standard-eyes", "standard-eyes is number 2 of the tier: nothing before it fits"),
        ("fast-1", "fast-1 is of the cheaper tier fast: nothing better fits the money"),
    ],
)
def test_the_reasons_say_why_this_candidate_serves(model: str, why: str) -> None:
    reasons = found("flux-standard").reasons_for(ModelId(model))
    assert reasons[0] == "flux-standard is the tier standard"
    assert reasons[1].startswith(why)


def test_the_reasons_say_where_the_whole_tier_cannot_serve() -> None:
    answer = found("flux-standard", sick=STANDARD)
    assert answer.reasons_for(ModelId("fast-1"))[1].endswith("no model of standard can serve")


def test_tiers_outside_the_plan_are_not_offered_to_the_chooser() -> None:
    chooser = Always()
    under = limits(lanes=frozenset({LaneId("deep-thought")}))
    assert models("flux-auto", under=under, chooser=chooser) == REASONING
    assert chooser.permitted == (Tier.REASONING,)


@pytest.mark.parametrize(
    "name,order", [("flux-fast", FAST), ("flux-standard", STANDARD), ("flux-reasoning", REASONING)]
)
def test_an_account_may_say_that_a_cheaper_lane_is_no_answer(
    name: str, order: list[ModelId]
) -> None:
    assert models(name, under=limits(near_cap=NearCap.SAME_TIER)) == order


def test_it_says_so_of_a_chosen_tier_as_well() -> None:
    under = limits(near_cap=NearCap.SAME_TIER)
    assert models("flux-auto", under=under, chooser=Always(Tier.STANDARD)) == STANDARD


def test_it_says_so_of_money_alone_and_a_sick_tier_is_still_replaced() -> None:
    under = limits(near_cap=NearCap.SAME_TIER)
    answer = found("flux-reasoning", under=under, sick=REASONING)
    assert [candidate.model for candidate in answer.candidates] == STANDARD
    assert answer.reasons_for(STANDARD[0])[1].endswith("no model of reasoning can serve")
