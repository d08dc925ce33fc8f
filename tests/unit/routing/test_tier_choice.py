import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxrouter_server.domain.catalog import Tier
from fluxrouter_server.routing.tier_choice import (
    USUAL_COSTS,
    Policy,
    WeighingTierChooser,
    choose_tier,
    cost_weight_at,
    weigh,
)
from fluxrouter_testing.tier_models import tier_model, tier_weights

ALL = tuple(Tier)
FAST, STANDARD, REASONING = ALL
BALANCED = Policy(USUAL_COSTS, 0.15)
#: Mathematical commands make the fast tier bad, the standard tier worse, and reasoning no worse.
MATHEMATICAL = tier_model(
    tier_weights(FAST, 3.0, {"commands": -2.0}),
    tier_weights(STANDARD, 3.1, {"commands": -1.0}),
    tier_weights(REASONING, 3.2),
)
FORMULA = "\\frac{\\sqrt{a}}{\\binom{b}{c}}"
qualities = st.fixed_dictionaries(
    {tier: st.floats(0, 1).map(lambda q: round(q, 6)) for tier in ALL}
)


def test_quality_alone_decides_where_cost_has_no_weight() -> None:
    assert choose_tier("hello", MATHEMATICAL, Policy(USUAL_COSTS, 0.0)).tier is REASONING


def test_a_gain_that_is_not_worth_its_cost_is_left() -> None:
    assert choose_tier("hello", MATHEMATICAL, BALANCED).tier is FAST
    assert choose_tier(FORMULA, MATHEMATICAL, BALANCED).tier is REASONING


def test_a_decision_carries_what_it_was_weighed_by() -> None:
    decision = choose_tier(FORMULA, MATHEMATICAL, BALANCED)
    assert [score.tier for score in decision.scores] == list(ALL)
    best, *others = sorted(decision.scores, key=lambda score: -score.utility)
    assert best.tier is decision.tier
    assert decision.margin == round(best.utility - others[0].utility, 6) > 0
    assert best.utility == round(best.expected_quality - 0.15 * best.relative_cost, 6)
    assert decision.cost_weight == 0.15
    assert decision.model_sha256 == MATHEMATICAL.sha256
    assert len(decision.model_sha256) == 64


def test_a_decision_says_in_words_why_it_was_made() -> None:
    decision = choose_tier(FORMULA, MATHEMATICAL, BALANCED)
    assert decision.reasons[0].startswith("expected quality 0.96 of reasoning against")
    assert "mathematical notation" in decision.reasons


def test_a_reason_in_words_is_only_what_moved_the_decision() -> None:
    assert choose_tier("write a poem", MATHEMATICAL, BALANCED).reasons[1:] == ()


@given(qualities, st.permutations(ALL))
def test_tiers_are_weighed_cheapest_first_in_whatever_order_they_come(
    expected: dict[Tier, float], order: list[Tier]
) -> None:
    shuffled = {tier: expected[tier] for tier in order}
    assert weigh(shuffled, BALANCED, order) == weigh(expected, BALANCED, ALL)
    assert [score.tier for score in weigh(shuffled, BALANCED, order)] == list(ALL)


def test_equal_utilities_go_to_the_cheaper_tier() -> None:
    same = tier_model(*(tier_weights(tier, 1.0) for tier in ALL))
    assert choose_tier("hello", same, Policy(USUAL_COSTS, 0.0)).tier is FAST
    assert choose_tier("hello", same, Policy(USUAL_COSTS, 0.0), (STANDARD, REASONING)).tier is (
        STANDARD
    )


@given(qualities, st.floats(0, 3), st.floats(0, 3))
def test_a_higher_weight_of_cost_never_buys_a_dearer_tier(
    expected: dict[Tier, float], one: float, other: float
) -> None:
    low, high = sorted((one, other))
    best = [
        max(weigh(expected, Policy(USUAL_COSTS, weight), ALL), key=lambda score: score.utility)
        for weight in (low, high)
    ]
    # Utilities are rounded, so that equal ones may go either way by the last place.
    assert (
        best[1].relative_cost <= best[0].relative_cost or best[0].utility - best[1].utility < 1e-5
    )


@pytest.mark.parametrize("permitted", [(FAST,), (STANDARD,), (FAST, REASONING)])
def test_only_permitted_tiers_are_chosen(permitted: tuple[Tier, ...]) -> None:
    decision = choose_tier(FORMULA, MATHEMATICAL, BALANCED, permitted)
    assert decision.tier in permitted
    assert tuple(score.tier for score in decision.scores) == permitted


def test_the_only_permitted_tier_is_chosen_without_a_margin() -> None:
    decision = choose_tier("hello", MATHEMATICAL, BALANCED, (STANDARD,))
    assert decision.margin == 0
    assert decision.reasons == ("standard is the only tier to choose from",)


def test_leaving_out_a_tier_does_not_change_what_cost_means() -> None:
    whole = choose_tier("hello", MATHEMATICAL, BALANCED)
    part = choose_tier("hello", MATHEMATICAL, BALANCED, (FAST, STANDARD))
    assert part.scores == whole.scores[:2]


def test_a_tier_without_an_estimate_is_chosen_only_where_nothing_else_is_permitted() -> None:
    two = tier_model(tier_weights(FAST, 1.0), tier_weights(REASONING, 5.0))
    assert choose_tier("hello", two, Policy(USUAL_COSTS, 0.0), (STANDARD, REASONING)).tier is (
        REASONING
    )
    decision = choose_tier("hello", two, BALANCED, (STANDARD,))
    assert decision.tier is STANDARD
    assert decision.scores == ()
    assert "no estimate of standard" in decision.reasons[0]


def test_no_permitted_tier_is_the_callers_error() -> None:
    with pytest.raises(ValueError, match="permitted: no tier is permitted"):
        choose_tier("hello", MATHEMATICAL, BALANCED, ())


@pytest.mark.parametrize("text", ["", " ", "\n\n"])
def test_an_empty_prompt_is_decided_and_said_so(text: str) -> None:
    decision = choose_tier(text, MATHEMATICAL, BALANCED)
    assert decision.tier is FAST
    assert decision.reasons == ("there is no text to judge",)


def test_a_chooser_decides_as_the_function_does() -> None:
    chooser = WeighingTierChooser(MATHEMATICAL, BALANCED)
    assert chooser.choose(FORMULA, ALL) == choose_tier(FORMULA, MATHEMATICAL, BALANCED)


@pytest.mark.parametrize(
    "costs,weight,message",
    [
        ({FAST: 1.0, STANDARD: 2.0}, 0.1, "costs: reasoning costs nothing"),
        ({FAST: 0.0, STANDARD: 2.0, REASONING: 3.0}, 0.1, "costs: fast costs nothing"),
        (USUAL_COSTS, -0.1, "cost_weight: -0.1 is below 0"),
        (USUAL_COSTS, float("nan"), "cost_weight: nan is below 0"),
    ],
)
def test_a_policy_out_of_range_is_refused(
    costs: dict[Tier, float], weight: float, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Policy(costs, weight)


def test_the_dial_goes_from_quality_alone_over_the_balance_to_cost_above_all() -> None:
    assert cost_weight_at(0.0, 0.15) == 0.0
    assert cost_weight_at(0.5, 0.15) == pytest.approx(0.15)
    # The dearest tier is certainly right, the cheapest certainly wrong, and still it is too dear.
    certain = {FAST: 0.0, STANDARD: 0.0, REASONING: 1.0}
    scores = weigh(certain, Policy(USUAL_COSTS, cost_weight_at(1.0, 0.15)), ALL)
    assert max(scores, key=lambda score: score.utility).tier is FAST


@given(st.floats(0, 1), st.floats(0, 1))
def test_the_dial_is_monotonic(one: float, other: float) -> None:
    low, high = sorted((one, other))
    assert cost_weight_at(low, 0.2) <= cost_weight_at(high, 0.2)


@pytest.mark.parametrize("dial", [-0.1, 1.1, float("nan")])
def test_a_dial_out_of_range_is_refused(dial: float) -> None:
    with pytest.raises(ValueError, match=r"dial: .* is not from 0 to 1"):
        cost_weight_at(dial, 0.15)
