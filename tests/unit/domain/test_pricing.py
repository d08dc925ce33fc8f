from dataclasses import replace
from fractions import Fraction
from math import ceil

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from fluxrouter_server.domain.holds import Candidate, PricedModel
from fluxrouter_server.domain.ids import LaneId, ModelId
from fluxrouter_server.domain.money import MAX_NANO_USD
from fluxrouter_server.domain.pricing import (
    MAX_RATE_NANO_USD,
    MAX_TOKENS,
    RateCard,
    Rates,
    Usage,
    _estimated_output,
    cost_nano_usd,
    largest_output_within,
    rates_in_force,
    validate_usage,
    worst_case_nano_usd,
)

# Plain integers rarely come near the bounds, where a double would first go wrong.
TOKENS = st.integers(0, MAX_TOKENS) | st.integers(MAX_TOKENS - 3, MAX_TOKENS) | st.integers(0, 3)
RATE = (
    st.integers(0, MAX_RATE_NANO_USD)
    | st.integers(MAX_RATE_NANO_USD - 3, MAX_RATE_NANO_USD)
    | st.integers(0, 2_000_003)
)
RATES = st.builds(Rates, RATE, RATE, RATE, RATE)
DEAREST = Rates(*[MAX_RATE_NANO_USD] * 4)


@st.composite
def candidates(draw: st.DrawFn) -> Candidate:
    choices = draw(st.integers(1, 128))
    return Candidate(
        priced=PricedModel(
            model=ModelId("m"),
            lane=LaneId("l"),
            upstream="",
            upstream_model="",
            rates=draw(RATES),
        ),
        input_tokens=draw(TOKENS),
        output_tokens=draw(TOKENS) // choices,
        choices=choices,
    )


@given(st.builds(Usage, TOKENS, TOKENS, TOKENS, TOKENS), RATES)
@example(Usage(*[MAX_TOKENS] * 4), DEAREST)
@example(Usage(*[MAX_TOKENS - 1] * 4), Rates(*[MAX_RATE_NANO_USD - 1] * 4))
@example(Usage(1, 1, 1, 1), Rates(1, 1, 1, 1))
def test_a_cost_is_the_exact_sum_rounded_up_once(usage: Usage, rates: Rates) -> None:
    exact = Fraction(
        usage.input_tokens * rates.input_nano_usd
        + usage.cached_input_tokens * rates.cached_input_nano_usd
        + usage.cache_write_tokens * rates.cache_write_nano_usd
        + usage.output_tokens * rates.output_nano_usd,
        10**6,
    )
    assert cost_nano_usd(usage, rates) == ceil(exact)


def test_the_dearest_cost_leaves_room_below_what_doubles_hold_exactly() -> None:
    assert cost_nano_usd(Usage(*[MAX_TOKENS] * 4), DEAREST) == 3_600_000_000_000_000 < MAX_NANO_USD


@pytest.mark.parametrize("tokens", [-1, MAX_TOKENS + 1])
def test_tokens_out_of_bounds_are_never_priced(tokens: int) -> None:
    with pytest.raises(ValueError, match="tokens"):
        cost_nano_usd(Usage(0, 0, 0, tokens), DEAREST)


@pytest.mark.parametrize("rate", [-1, MAX_RATE_NANO_USD + 1])
def test_rates_out_of_bounds_are_never_priced(rate: int) -> None:
    with pytest.raises(ValueError, match="rate"):
        cost_nano_usd(Usage(1, 0, 0, 0), replace(DEAREST, input_nano_usd=rate))


@given(candidates(), st.data())
def test_no_usage_within_a_hold_costs_more_than_its_worst_case(
    candidate: Candidate, data: st.DataObject
) -> None:
    cached = data.draw(st.integers(0, candidate.input_tokens))
    written = data.draw(st.integers(0, candidate.input_tokens - cached))
    output = data.draw(st.integers(0, candidate.choices * candidate.output_tokens))
    usage = Usage(candidate.input_tokens - cached - written, cached, written, output)
    assert cost_nano_usd(usage, candidate.rates) <= worst_case_nano_usd(candidate)


@given(candidates(), st.integers(0, MAX_NANO_USD) | st.integers(2**53 - 3, 2**53), st.data())
def test_the_largest_output_fits_and_one_more_token_does_not(
    candidate: Candidate, room: int, data: st.DataObject
) -> None:
    # Rooms between nothing and everything are where the answer is neither of both.
    least, most = worst_case_nano_usd(candidate, 0), worst_case_nano_usd(candidate)
    room = data.draw(st.sampled_from([room, 2**53]) | st.integers(max(0, least - 1), most + 1))
    grant = largest_output_within(candidate, room)
    if grant == -1:
        assert least > room
        return
    assert worst_case_nano_usd(candidate, grant) <= room
    assert grant == candidate.output_tokens or worst_case_nano_usd(candidate, grant + 1) > room


@given(candidates(), st.data())
def test_the_estimate_is_within_one_token_of_the_answer(
    candidate: Candidate, data: st.DataObject
) -> None:
    """The store's script steps in the same way, and a script must not step for long."""
    least, most = worst_case_nano_usd(candidate, 0), worst_case_nano_usd(candidate)
    assume(least < most)
    room = data.draw(st.integers(least, most))
    assert abs(_estimated_output(candidate, room) - largest_output_within(candidate, room)) <= 1


@pytest.mark.parametrize(
    "output_rate,room,grant",
    [
        (8_457_778_133_872, 845_777_627_316_081, 33_333_325),  # estimated one too high
        (9_000_000_000_000, 899_999_748_000_000, 33_333_324),  # estimated one too low
    ],
)
def test_an_estimate_that_doubles_get_wrong_is_put_right(
    output_rate: int, room: int, grant: int
) -> None:
    candidate = Candidate(
        priced=PricedModel(
            model=ModelId("m"),
            lane=LaneId("l"),
            upstream="",
            upstream_model="",
            rates=replace(DEAREST, output_nano_usd=output_rate),
        ),
        input_tokens=0,
        output_tokens=33_333_333,
        choices=3,
    )
    assert _estimated_output(candidate, room) != grant
    assert largest_output_within(candidate, room) == grant


def test_of_several_cards_the_latest_that_has_begun_is_in_force() -> None:
    first, second, third = (replace(DEAREST, input_nano_usd=n) for n in (1, 2, 3))
    cards = (RateCard(200, third), RateCard(None, first), RateCard(100, second))
    assert [rates_in_force(cards, now) for now in (0, 99, 100, 199, 200)] == [
        first,
        first,
        second,
        second,
        third,
    ]


def test_no_rates_are_in_force_before_the_first_card() -> None:
    assert rates_in_force((RateCard(100, DEAREST),), 99) is None
    assert rates_in_force((), 99) is None


def test_a_usage_that_cannot_be_is_refused_with_its_fields() -> None:
    refused = validate_usage(Usage(-1, MAX_TOKENS + 1, 0, 0))
    assert [violation.field for violation in refused] == [
        "usage.input_tokens",
        "usage.cached_input_tokens",
    ]


def test_more_reasoning_than_output_is_refused() -> None:
    (refused,) = validate_usage(Usage(0, 0, 0, output_tokens=5, reasoning_tokens=6))
    assert refused.field == "usage.reasoning_tokens"
    assert validate_usage(Usage(0, 0, 0, output_tokens=5, reasoning_tokens=5)) == ()
