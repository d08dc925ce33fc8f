"""The catalog: lanes, models, tiers and aliases, and what they cost at an instant."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final

from fluxrouter_server.domain.ids import LaneId, ModelId
from fluxrouter_server.domain.pricing import RateCard, Rates, rates_in_force


class Tier(StrEnum):
    """What a request needs, cheapest first."""

    FAST = "fast"
    STANDARD = "standard"
    REASONING = "reasoning"


class Capability(StrEnum):
    """What a model can do beyond text."""

    TOOLS = "tools"
    VISION = "vision"
    JSON = "json"


class Protocol(StrEnum):
    """API protocols that a model speaks; requests are never translated between them."""

    CHAT_COMPLETIONS = "chat-completions"
    RESPONSES = "responses"
    MESSAGES = "messages"
    EMBEDDINGS = "embeddings"


@dataclass(frozen=True, slots=True)
class Lane:
    """A price class of models."""

    id: LaneId
    display_name: str
    rate_cards: tuple[RateCard, ...]


@dataclass(frozen=True, slots=True)
class Model:
    """One upstream model; sizes in tokens. `max_output_tokens` is 0 for embeddings-only models."""

    id: ModelId
    display_name: str
    lane: LaneId
    rate_cards: tuple[RateCard, ...]  # empty: the lane's
    context_window_tokens: int
    max_output_tokens: int
    default_output_tokens: int
    tokens_per_kilobyte: int
    image_tokens: int
    capabilities: frozenset[Capability]
    protocols: frozenset[Protocol]
    upstream: str
    upstream_model: str


@dataclass(frozen=True, slots=True)
class UpstreamEndpoint:
    """An address, `host:port`, and its share of the requests; `zone` is empty where it has none."""

    address: str
    weight: int
    zone: str


@dataclass(frozen=True, slots=True)
class Upstream:
    """Where the HTTP edge finds a provider; `credential_variable` is empty where it takes none."""

    name: str
    base_url: str
    credential_variable: str
    timeout_seconds: int
    endpoints: tuple[UpstreamEndpoint, ...] = ()


@dataclass(frozen=True, slots=True)
class Alias:
    """Another name: `target` is "auto", a tier's name or a model id."""

    id: str
    target: str


#: The middle of the dial between quality and cost: the balance that a model's training found.
BALANCED_DIAL_PERCENT: Final = 50


@dataclass(frozen=True, slots=True)
class TierPolicy:
    """A tier model, and how much cost counts.

    `model_sha256` is empty for the model that comes with the server, and `model_file` (plain or
    gzipped) where the server has it. The dial goes from 0 (quality alone) to 100 (cost above all).
    """

    model_sha256: str = ""
    model_file: bytes = field(default=b"", repr=False)
    cost_dial_percent: int = BALANCED_DIAL_PERCENT


@dataclass(frozen=True, slots=True)
class TierCosts:
    """What a request of each tier costs relative to the others, above 0.

    The usual ones are those of small, large and reasoning models in 2026.
    """

    fast: int = 1
    standard: int = 10
    reasoning: int = 30

    def by_tier(self) -> Mapping[Tier, float]:
        """Return the costs by tier."""
        return {
            Tier.FAST: float(self.fast),
            Tier.STANDARD: float(self.standard),
            Tier.REASONING: float(self.reasoning),
        }


@dataclass(frozen=True, slots=True)
class TierRouting:
    """How the tier of a smart request is chosen; `shadow` decides beside it, without effect."""

    active: TierPolicy = TierPolicy()
    shadow: TierPolicy | None = None
    costs: TierCosts = TierCosts()


@dataclass(frozen=True, slots=True)
class Catalog:
    """All of it, by id and in the order of the document."""

    lanes: Mapping[LaneId, Lane]
    models: Mapping[ModelId, Model]
    tiers: Mapping[Tier, tuple[ModelId, ...]]
    aliases: Mapping[str, Alias]
    input_margin_percent: int = 0
    upstreams: Mapping[str, Upstream] = field(default_factory=dict)
    routing: TierRouting = TierRouting()
    labels: Mapping[str, str] = field(default_factory=dict)
    annotations: Mapping[str, str] = field(default_factory=dict)


def rates_of(model: Model, catalog: Catalog, now_us: int) -> Rates | None:
    """Return what a model costs at an instant: by its own cards if it has any, else its lane's.

    None where no card is in force: such a model is never served, least of all for nothing.
    """
    if model.rate_cards:
        return rates_in_force(model.rate_cards, now_us)
    lane = catalog.lanes.get(model.lane)
    return None if lane is None else rates_in_force(lane.rate_cards, now_us)
