"""What tokens cost, exactly: integers only, one rounding, the same in the store's scripts.

The scripts have nothing but doubles, so every intermediate value must stay at or below 2^53. A
product of tokens and rate does not (10^8 × 9·10^12), therefore rates are split at 10^6
(docs/protocol.md §3). With at most `MAX_TOKENS` = 10^8 of each of the four kinds and rates of at
most `MAX_RATE_NANO_USD` = 9·10^12 for 10^6 tokens:

- one kind's whole part is at most 10^8 × 9·10^6 = 9·10^14;
- one kind's remainder is below 10^8 × 10^6 = 10^14, four of them below 4·10^14;
- a cost is at most 4 × 9·10^14 = 3.6·10^15, and 2^53 is 9.007·10^15.

The functions refuse what lies outside, so that nothing is ever computed inexactly.
"""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from fluxrouter_server.domain.denials import FieldViolation
from fluxrouter_server.domain.values import per_call_value

if TYPE_CHECKING:
    from fluxrouter_server.domain.holds import Candidate

#: Rates are for so many tokens.
RATE_TOKENS = 10**6
#: Most tokens of one kind in one request, all choices together.
MAX_TOKENS = 100_000_000
#: The dearest rate: 9000 USD for 1,000,000 tokens.
MAX_RATE_NANO_USD = 9_000 * 10**9
#: After every instant that anybody will see, in µs.
NEVER_US = 2**62


@dataclass(frozen=True, slots=True)
class Rates:
    """Prices in nano-USD for 1,000,000 tokens of each kind."""

    input_nano_usd: int
    cached_input_nano_usd: int
    cache_write_nano_usd: int
    output_nano_usd: int


@dataclass(frozen=True, slots=True)
class RateCard:
    """Rates from an instant on; None is the beginning of time."""

    effective_us: int | None
    rates: Rates


@per_call_value
class Usage:
    """Tokens by kind, without overlap; `reasoning_tokens` are among `output_tokens`."""

    input_tokens: int
    cached_input_tokens: int
    cache_write_tokens: int
    output_tokens: int
    reasoning_tokens: int = 0


def cost_nano_usd(usage: Usage, rates: Rates) -> int:
    """Return what the usage costs: Σ tokens × rate / 10^6, rounded up once over all kinds.

    Raises:
        ValueError: a number of tokens or a rate is out of its bounds.
    """
    return _cost(
        (usage.input_tokens, rates.input_nano_usd),
        (usage.cached_input_tokens, rates.cached_input_nano_usd),
        (usage.cache_write_tokens, rates.cache_write_nano_usd),
        (usage.output_tokens, rates.output_nano_usd),
    )


def worst_case_nano_usd(candidate: "Candidate", output_tokens: int | None = None) -> int:
    """Return the most that the candidate's request can cost.

    All input at its dearest rate (nobody knows yet what the provider's cache will do) and
    `choices` times the output: the candidate's own, or `output_tokens` for each choice instead.

    Raises:
        ValueError: tokens (of all choices together) or a rate are out of their bounds.
    """
    output = candidate.output_tokens if output_tokens is None else output_tokens
    return _cost(
        (candidate.input_tokens, dearest_input_nano_usd(candidate.rates)),
        (candidate.choices * output, candidate.rates.output_nano_usd),
    )


def dearest_input_nano_usd(rates: Rates) -> int:
    """Return the highest of the three rates at which an input token may be billed."""
    return max(rates.input_nano_usd, rates.cached_input_nano_usd, rates.cache_write_nano_usd)


def largest_output_within(candidate: "Candidate", room_nano_usd: int) -> int:
    """Return the most output tokens per choice, up to the candidate's, whose worst case fits.

    -1 where not even the input fits. The store's admit script has the same algorithm: an estimate
    in doubles, which may be one token off, then steps decided by the exact cost alone.
    """
    if worst_case_nano_usd(candidate, 0) > room_nano_usd:
        return -1
    grant = _estimated_output(candidate, room_nano_usd)
    while worst_case_nano_usd(candidate, grant) > room_nano_usd:
        grant -= 1
    while (
        grant < candidate.output_tokens
        and worst_case_nano_usd(candidate, grant + 1) <= room_nano_usd
    ):
        grant += 1
    return grant


def rates_in_force(cards: Iterable[RateCard], now_us: int) -> Rates | None:
    """Return the rates of the latest card that is effective at the instant; None without one."""
    latest: RateCard | None = None
    for card in cards:
        begin = _begin(card)
        if begin <= now_us and (latest is None or begin > _begin(latest)):
            latest = card
    return None if latest is None else latest.rates


def next_change_us(cards: Iterable[RateCard], now_us: int) -> int:
    """Return the first instant after this one at which a card takes effect; else `NEVER_US`."""
    return min((begin for card in cards if (begin := _begin(card)) > now_us), default=NEVER_US)


def validate_usage(usage: Usage) -> tuple[FieldViolation, ...]:
    """Say which numbers of a reported usage cannot be; paths as in `SettleRequest`."""
    kinds = {
        "usage.input_tokens": usage.input_tokens,
        "usage.cached_input_tokens": usage.cached_input_tokens,
        "usage.cache_write_tokens": usage.cache_write_tokens,
        "usage.output_tokens": usage.output_tokens,
        "usage.reasoning_tokens": usage.reasoning_tokens,
    }
    violations = [
        FieldViolation(path, f"{tokens} is out of bounds; give 0 to {MAX_TOKENS} tokens")
        for path, tokens in kinds.items()
        if not 0 <= tokens <= MAX_TOKENS
    ]
    if not violations and usage.reasoning_tokens > usage.output_tokens:
        violations.append(
            FieldViolation(
                "usage.reasoning_tokens",
                f"{usage.reasoning_tokens} exceeds the {usage.output_tokens} output tokens; "
                "count reasoning among the output",
            )
        )
    return tuple(violations)


def _cost(*kinds: tuple[int, int]) -> int:
    """Σ t·(r div 10^6) + ceil(Σ t·(r mod 10^6) / 10^6) over pairs of tokens and rate."""
    whole = 0
    millionths = 0
    for tokens, rate in kinds:
        if not 0 <= tokens <= MAX_TOKENS:
            raise ValueError(f"{tokens} tokens of a kind; 0 to {MAX_TOKENS} can be priced")
        if not 0 <= rate <= MAX_RATE_NANO_USD:
            raise ValueError(f"a rate of {rate} nano-USD; 0 to {MAX_RATE_NANO_USD} can be priced")
        whole += tokens * (rate // RATE_TOKENS)
        millionths += tokens * (rate % RATE_TOKENS)
    return whole + -(-millionths // RATE_TOKENS)


def _estimated_output(candidate: "Candidate", room_nano_usd: int) -> int:
    """Output tokens per choice that cost what the input leaves, within one of the truth.

    Doubles, as in the script. Subtracting the input's millionths before the division matters:
    with tiny rates the part of a nano-USD that the ceiling took can pay for thousands of tokens.
    """
    output_rate = candidate.choices * candidate.rates.output_nano_usd
    if output_rate == 0:
        return candidate.output_tokens
    input_rate = dearest_input_nano_usd(candidate.rates)
    input_millionths = candidate.input_tokens * (input_rate % RATE_TOKENS)
    left = room_nano_usd - candidate.input_tokens * (input_rate // RATE_TOKENS)
    left -= input_millionths // RATE_TOKENS
    estimate = (left - (input_millionths % RATE_TOKENS) / RATE_TOKENS) / output_rate * RATE_TOKENS
    return int(min(estimate, candidate.output_tokens))


def _begin(card: RateCard) -> int:
    # Stored instants count from 1970 and are never negative, so -1 lies before all of them.
    return -1 if card.effective_us is None else card.effective_us
