import pytest

from fluxrouter_server.domain.catalog import Tier
from fluxrouter_server.routing.rules import PlainTierRule, nearest_permitted

ALL = tuple(Tier)


@pytest.mark.parametrize(
    "text,tier",
    [
        ("", Tier.FAST),
        ("What is the capital of France?", Tier.FAST),
        ("```python\nx = 1\n```", Tier.STANDARD),
        ("word " * 500, Tier.STANDARD),
        ("Prove that the square root of 2 is irrational.", Tier.REASONING),
        ("∫ x dx", Tier.REASONING),
    ],
)
def test_a_tier_is_chosen_by_what_the_text_asks_for(text: str, tier: Tier) -> None:
    decision = PlainTierRule().choose(text, ALL)
    assert decision.tier is tier
    assert decision.reasons


def test_a_choice_depends_on_the_beginning_of_a_long_text_alone() -> None:
    assert PlainTierRule().choose("a" * 10**6 + " prove it", ALL).tier is Tier.STANDARD


@pytest.mark.parametrize(
    "wanted,permitted,chosen",
    [
        (Tier.FAST, (Tier.STANDARD, Tier.REASONING), Tier.STANDARD),
        (Tier.STANDARD, (Tier.FAST, Tier.REASONING), Tier.REASONING),
        (Tier.REASONING, (Tier.FAST, Tier.STANDARD), Tier.STANDARD),
        (Tier.REASONING, (Tier.FAST,), Tier.FAST),
    ],
)
def test_where_a_tier_cannot_serve_the_next_dearer_one_does_or_else_the_dearest(
    wanted: Tier, permitted: tuple[Tier, ...], chosen: Tier
) -> None:
    assert nearest_permitted(wanted, permitted) is chosen


def test_a_choice_that_had_to_give_way_says_so() -> None:
    decision = PlainTierRule().choose("hello", (Tier.REASONING,))
    assert decision.tier is Tier.REASONING
    assert decision.reasons[-1] == "no model of the tier fast can serve it"
