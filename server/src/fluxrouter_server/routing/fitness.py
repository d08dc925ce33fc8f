"""Whether one model can serve a request, by hard facts alone, and what it would need at most."""

from collections.abc import Callable
from enum import IntEnum

from fluxrouter_server.domain.catalog import Capability, Catalog, Model, Protocol, rates_of
from fluxrouter_server.domain.holds import Candidate, PricedModel
from fluxrouter_server.domain.ids import KeyName
from fluxrouter_server.domain.limits import Limits, may_use
from fluxrouter_server.domain.pricing import MAX_TOKENS
from fluxrouter_server.domain.requests import RouteQuery
from fluxrouter_server.domain.values import per_call_value

_KILOBYTE = 1000
_PERCENT = 100


class Obstacle(IntEnum):
    """What keeps a model from serving, in the order in which it is looked at.

    The later one stands for the model that came nearer to serving, and makes the better denial.
    """

    PROTOCOL = 1
    CAPABILITY = 2
    CONTEXT = 3
    PLAN = 4
    PRICE = 5
    HEALTH = 6


@per_call_value
class Unfit:
    """A model that cannot serve; `required_tokens` is set for CONTEXT."""

    model: Model
    obstacle: Obstacle
    required_tokens: int = 0


@per_call_value
class Demand:
    """What a request asks of every model that might serve it."""

    query: RouteQuery
    capabilities: frozenset[Capability]
    text_bytes: int  # 0 where the caller counted tokens
    limits: Limits
    catalog: Catalog
    key: KeyName | None
    now_us: int
    healthy: Callable[[Model], bool]


def capabilities_of(query: RouteQuery) -> frozenset[Capability]:
    """Return what a request needs. Images ask for vision, whether the caller says so or not."""
    needed = query.capabilities
    return needed | {Capability.VISION} if query.images else needed


def text_bytes_of(query: RouteQuery) -> int:
    """Return the UTF-8 bytes to count as input; 0 where the caller counted tokens."""
    if query.size_bytes is not None:
        return query.size_bytes
    return 0 if query.input_tokens is not None else utf8_length(query.text)


def can_answer(
    model: Model, protocol: Protocol | None, capabilities: frozenset[Capability]
) -> Obstacle | None:
    """Say what a model lacks for any request of this protocol with these needs."""
    if protocol is not None and protocol not in model.protocols:
        return Obstacle.PROTOCOL
    return None if capabilities <= model.capabilities else Obstacle.CAPABILITY


def why_unfit(model: Model, demand: Demand) -> Unfit:
    """Return what keeps a model from serving a request that `sized` or `healthy` turned down."""
    query = demand.query
    lacking = can_answer(model, query.protocol, demand.capabilities)
    if lacking is not None:
        return Unfit(model, lacking)
    required = _input_tokens(model, demand) + _least_output(model, demand)
    if required > model.context_window_tokens:
        return Unfit(model, Obstacle.CONTEXT, required)
    if not may_use(demand.limits, model, demand.key):
        return Unfit(model, Obstacle.PLAN)
    if rates_of(model, demand.catalog, demand.now_us) is None:
        return Unfit(model, Obstacle.PRICE)
    return Unfit(model, Obstacle.HEALTH)


def sized(model: Model, priced: PricedModel, demand: Demand) -> Candidate | None:
    """Return the model as a candidate, its output cut to what it can give; None: window too small.

    Output is the caller's wish or the model's default, at most the model's maximum, at most what
    its window leaves beside the input, and at most what all choices together can be priced for.
    """
    input_tokens = _input_tokens(model, demand)
    left = model.context_window_tokens - input_tokens
    wish = _wished_output(model, demand.query)
    if wish <= left:
        return Candidate(priced, input_tokens, wish, demand.query.choices)
    if min(wish, demand.limits.holds.min_output_tokens) <= left:
        return Candidate(priced, input_tokens, left, demand.query.choices)
    return None


def utf8_length(text: str) -> int:
    """Return the bytes of a text in UTF-8; half a surrogate pair counts as three."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _input_tokens(model: Model, demand: Demand) -> int:
    """Return an upper bound of the input: the caller's count, else one from text and images.

    The bound is UTF-8 bytes × the model's tokens for 1,000 of them, rounded up, plus the images at
    their declared cost, plus the catalog's margin. A caller's own count gets no margin.
    """
    query = demand.query
    if query.input_tokens is not None:
        return query.input_tokens
    text = -(-demand.text_bytes * model.tokens_per_kilobyte // _KILOBYTE)
    counted = text + query.images * model.image_tokens
    return -(-counted * (_PERCENT + demand.catalog.input_margin_percent) // _PERCENT)


def _least_output(model: Model, demand: Demand) -> int:
    return min(_wished_output(model, demand.query), demand.limits.holds.min_output_tokens)


def _wished_output(model: Model, query: RouteQuery) -> int:
    if query.protocol is Protocol.EMBEDDINGS:
        return 0
    wish = query.max_output_tokens
    if wish is None:
        wish = model.default_output_tokens
    wish = min(wish, model.max_output_tokens)
    return wish if query.choices == 1 else min(wish, MAX_TOKENS // query.choices)
