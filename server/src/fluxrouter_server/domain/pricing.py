"""What tokens cost, exactly: integers only, one rounding, the same in the store's scripts."""

from dataclasses import dataclass


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


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens by kind, without overlap; `reasoning_tokens` are among `output_tokens`."""

    input_tokens: int
    cached_input_tokens: int
    cache_write_tokens: int
    output_tokens: int
    reasoning_tokens: int = 0
