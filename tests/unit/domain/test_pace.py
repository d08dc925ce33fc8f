"""What is left of a rate, against the rule by which the store admits."""

from hypothesis import given
from hypothesis import strategies as st

from fluxrouter_server.domain.pace import Pace, requests_left, tokens_left
from fluxrouter_server.domain.plans import RateLimits

NOW_US = 1_800_000_000_000_000


def may_pass(tat_us: int, cost_us: int, burst_us: int) -> bool:
    """As `take` in `lua/lib/rates.lua` decides."""
    return max(tat_us, NOW_US) + cost_us <= NOW_US + burst_us


@given(st.integers(1, 5000), st.integers(1, 5000), st.integers(0, 10**10))
def test_so_many_requests_pass_and_not_one_more(rate: int, burst: int, used_us: int) -> None:
    interval_us = -(-1_000_000 // rate)
    burst_us = burst * interval_us
    tat_us = NOW_US + min(used_us, burst_us)
    left = requests_left(RateLimits(rate, burst), Pace(NOW_US, tat_us, 0))
    assert left is not None
    assert left.limit == burst
    assert left.remaining == 0 or may_pass(tat_us, left.remaining * interval_us, burst_us)
    assert not may_pass(tat_us, (left.remaining + 1) * interval_us, burst_us)
    assert left.reset_us == tat_us - NOW_US


@given(st.integers(1, 10**8), st.integers(1, 10**8), st.integers(0, 10**11))
def test_so_many_tokens_pass_and_not_one_more(rate: int, burst: int, used_us: int) -> None:
    burst_us = -(-burst * 60_000_000 // rate)
    tat_us = NOW_US + min(used_us, burst_us)
    left = tokens_left(
        RateLimits(tokens_per_minute=rate, token_burst=burst), Pace(NOW_US, 0, tat_us)
    )
    assert left is not None

    def cost_us(tokens: int) -> int:
        return min(-(-tokens * 60_000_000 // rate), burst_us)

    assert 0 <= left.remaining <= burst
    assert left.remaining == 0 or may_pass(tat_us, cost_us(left.remaining), burst_us)
    assert left.remaining == burst or not may_pass(tat_us, cost_us(left.remaining + 1), burst_us)


def test_a_rate_that_was_never_used_is_whole() -> None:
    left = requests_left(RateLimits(10, 20), Pace(NOW_US, NOW_US - 5, 0))
    assert left is not None
    assert (left.remaining, left.reset_us) == (20, 0)


def test_what_is_not_limited_has_nothing_left_to_tell() -> None:
    pace = Pace(NOW_US, 0, 0)
    assert requests_left(RateLimits(), pace) is None
    assert tokens_left(RateLimits(), pace) is None
