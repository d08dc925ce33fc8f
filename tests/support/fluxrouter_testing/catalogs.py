"""A catalog that is like the one sold: three lanes, models of every kind, all tiers and aliases."""

from fluxrouter_server.domain.catalog import (
    Alias,
    Capability,
    Catalog,
    Lane,
    Model,
    Protocol,
    Tier,
)
from fluxrouter_server.domain.ids import LaneId, ModelId
from fluxrouter_server.domain.pricing import RateCard, Rates

_DOLLAR_NANO_USD = 1_000_000_000
_CHAT = frozenset({Protocol.CHAT_COMPLETIONS})


def full_catalog() -> Catalog:
    """Two models in each tier (the second one sees images), and one for embeddings."""
    models = [
        _model("fast-1", "express"),
        _model("fast-eyes", "express", window=32_000, sees=True),
        _model("standard-1", "daily-driver"),
        _model("standard-eyes", "daily-driver", window=200_000, sees=True),
        _model("reasoning-1", "deep-thought"),
        _model("reasoning-eyes", "deep-thought", window=1_000_000, sees=True),
        _embeddings(),
    ]
    lanes = [_lane("express", 1, 4), _lane("daily-driver", 2, 10), _lane("deep-thought", 4, 20)]
    aliases = [Alias("flux-auto", "auto"), *(Alias(f"flux-{tier}", tier) for tier in Tier)]
    return Catalog(
        lanes={lane.id: lane for lane in lanes},
        models={model.id: model for model in models},
        tiers={tier: (ModelId(f"{tier}-1"), ModelId(f"{tier}-eyes")) for tier in Tier},
        aliases={alias.id: alias for alias in [*aliases, Alias("small", "fast-1")]},
    )


def _lane(lane: str, input_usd: int, output_usd: int) -> Lane:
    rate = input_usd * _DOLLAR_NANO_USD
    rates = Rates(rate, rate // 4, rate * 5 // 4, output_usd * _DOLLAR_NANO_USD)
    return Lane(LaneId(lane), lane.title(), (RateCard(None, rates),))


def _model(model: str, lane: str, *, window: int = 128_000, sees: bool = False) -> Model:
    capabilities = {Capability.TOOLS, Capability.VISION} if sees else {Capability.TOOLS}
    return Model(
        id=ModelId(model),
        display_name=model.title(),
        lane=LaneId(lane),
        rate_cards=(),
        context_window_tokens=window,
        max_output_tokens=8_000,
        default_output_tokens=1_000,
        tokens_per_kilobyte=1_000,
        image_tokens=1_600 if sees else 0,
        capabilities=frozenset(capabilities),
        protocols=_CHAT,
        upstream="provider",
        upstream_model=f"{model}-latest",
    )


def _embeddings() -> Model:
    return Model(
        id=ModelId("embedder"),
        display_name="Embedder",
        lane=LaneId("express"),
        rate_cards=(RateCard(None, Rates(20_000_000, 20_000_000, 20_000_000, 0)),),
        context_window_tokens=8_192,
        max_output_tokens=0,
        default_output_tokens=0,
        tokens_per_kilobyte=1_000,
        image_tokens=0,
        capabilities=frozenset(),
        protocols=frozenset({Protocol.EMBEDDINGS}),
        upstream="provider",
        upstream_model="embedder",
    )
