"""Rate cards on the wire: prices in USD for 1,000,000 tokens, as decimal strings."""

from collections.abc import Sequence

from fluxrouter.v1 import catalog_pb2, router_pb2
from fluxrouter_server.api.field_reader import FieldReader
from fluxrouter_server.api.wire_time import timestamp
from fluxrouter_server.domain.money import format_usd
from fluxrouter_server.domain.pricing import RateCard, Rates

__all__ = ["rate_card_messages", "rates_message", "read_rate_cards", "set_rates"]


def read_rate_cards(
    messages: Sequence[catalog_pb2.RateCard], at: FieldReader, *, has_output: bool
) -> tuple[RateCard, ...]:
    """Returns the cards with all four prices filled in.

    Args:
        messages: The cards of a lane or a model.
        at: The reader of that lane or model.
        has_output: False for models that answer without output tokens, which may state no price
            for them.
    """
    return tuple(
        _read_rate_card(message, at.at(f"rateCards[{index}]"), has_output=has_output)
        for index, message in enumerate(messages)
    )


def rate_card_messages(cards: Sequence[RateCard]) -> list[catalog_pb2.RateCard]:
    """Returns the cards as a resource has them."""
    return [
        catalog_pb2.RateCard(
            effective_time=None if card.effective_us is None else timestamp(card.effective_us),
            input_usd_per_million=format_usd(card.rates.input_nano_usd),
            cached_input_usd_per_million=format_usd(card.rates.cached_input_nano_usd),
            cache_write_usd_per_million=format_usd(card.rates.cache_write_nano_usd),
            output_usd_per_million=format_usd(card.rates.output_nano_usd),
        )
        for card in cards
    ]


def rates_message(rates: Rates) -> router_pb2.Rates:
    """Returns rates in force as answers have them."""
    message = router_pb2.Rates()
    set_rates(message, rates)
    return message


def set_rates(message: router_pb2.Rates, rates: Rates) -> None:
    """Writes rates into a message that is part of another."""
    message.input_nano_usd = rates.input_nano_usd
    message.cached_input_nano_usd = rates.cached_input_nano_usd
    message.cache_write_nano_usd = rates.cache_write_nano_usd
    message.output_nano_usd = rates.output_nano_usd


def _read_rate_card(
    message: catalog_pb2.RateCard, at: FieldReader, *, has_output: bool
) -> RateCard:
    fresh = at.required_usd("inputUsdPerMillion", message.input_usd_per_million)
    output = message.output_usd_per_million
    return RateCard(
        effective_us=(
            at.instant_us("effectiveTime", message.effective_time)
            if message.HasField("effective_time")
            else None
        ),
        rates=Rates(
            input_nano_usd=fresh,
            cached_input_nano_usd=at.usd(
                "cachedInputUsdPerMillion", message.cached_input_usd_per_million, default=fresh
            ),
            cache_write_nano_usd=at.usd(
                "cacheWriteUsdPerMillion", message.cache_write_usd_per_million, default=fresh
            ),
            output_nano_usd=(
                at.required_usd("outputUsdPerMillion", output)
                if has_output
                else at.usd("outputUsdPerMillion", output, default=0)
            ),
        ),
    )
