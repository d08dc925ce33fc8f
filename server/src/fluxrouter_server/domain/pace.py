"""How much of an account's rates is left after an admission, exactly as the store counts it.

A theoretical arrival time (TAT) says when a rate would be unused again (docs/protocol.md §4). What
a burst is ahead of it is what may still come at once.
"""

from dataclasses import dataclass

from fluxrouter_server.domain.plans import RateLimits
from fluxrouter_server.domain.values import per_call_value

__all__ = ["Left", "Pace", "requests_left", "tokens_left"]

_SECOND_US = 1_000_000
_MINUTE_US = 60_000_000


@per_call_value
class Pace:
    """Where the rates stood right after an admission; instants in µs of the store's clock.

    A rate that the account does not have has a TAT of 0.
    """

    now_us: int
    requests_tat_us: int
    tokens_tat_us: int


@dataclass(frozen=True, slots=True)
class Left:
    """What is left of one rate.

    Attributes:
        limit: What may come at once where nothing was used.
        remaining: What may come at once now.
        reset_us: µs until nothing is used up any more.
    """

    limit: int
    remaining: int
    reset_us: int


def requests_left(rates: RateLimits, pace: Pace) -> Left | None:
    """Return how many requests may come at once; None where their rate is not limited."""
    if not rates.requests_per_second:
        return None
    # As the script has it: rounded up, so that an account never goes faster than its rate says.
    interval_us = -(-_SECOND_US // rates.requests_per_second)
    burst = rates.request_burst or rates.requests_per_second
    used_us = max(0, pace.requests_tat_us - pace.now_us)
    return Left(burst, max(0, (burst * interval_us - used_us) // interval_us), used_us)


def tokens_left(rates: RateLimits, pace: Pace) -> Left | None:
    """Return how many tokens may come at once; None where their rate is not limited."""
    if not rates.tokens_per_minute:
        return None
    burst = rates.token_burst or rates.tokens_per_minute
    burst_us = -(-burst * _MINUTE_US // rates.tokens_per_minute)
    used_us = max(0, pace.tokens_tat_us - pace.now_us)
    remaining = (burst_us - used_us) * rates.tokens_per_minute // _MINUTE_US
    return Left(burst, min(burst, max(0, remaining)), used_us)
