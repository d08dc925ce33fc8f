"""`GET /v1/models`: what the account may ask for, in OpenAI's shape, with its prices."""

from typing import Any, Final

from fluxrouter_server.domain.money import format_usd
from fluxrouter_server.services.offers import Offer, OfferedModel

__all__ = ["model_list"]

_OWNER: Final = "fluxrouter"


def model_list(offer: Offer) -> list[dict[str, Any]]:
    """Return aliases first, then models, both by id."""
    aliases = [
        {"id": alias.id, "object": "model", "created": 0, "owned_by": _OWNER}
        for alias in offer.aliases
    ]
    return [*aliases, *map(_model, offer.models)]


def _model(offered: OfferedModel) -> dict[str, Any]:
    model, rates = offered.model, offered.rates
    listed: dict[str, Any] = {
        "id": model.id,
        "object": "model",
        "created": 0,
        "owned_by": model.upstream or _OWNER,
        "display_name": model.display_name,
        "lane": model.lane,
        "context_window": model.context_window_tokens,
        "max_output_tokens": model.max_output_tokens,
        "capabilities": sorted(model.capabilities),
        "protocols": sorted(model.protocols),
    }
    if rates is not None:
        listed["usd_per_million_tokens"] = {
            "input": format_usd(rates.input_nano_usd),
            "cached_input": format_usd(rates.cached_input_nano_usd),
            "cache_write": format_usd(rates.cache_write_nano_usd),
            "output": format_usd(rates.output_nano_usd),
        }
    return listed
