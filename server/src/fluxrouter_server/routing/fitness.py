"""Whether one model can serve a request, by hard facts alone, and what it would need at most."""

from collections.abc import Callable
from enum import IntEnum

from fluxrouter_server.domain.catalog import Capability, Catalog, Model, Protocol, rates_of
from fluxrouter_server.domain.holds import Candidate
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


def demand_of(
    query: RouteQuery,
    limits: Limits,
    catalog: Catalog,
    *,
    key: KeyName | None,
    now_us: int,
    healthy: Callable[[Model], bool],
) -> Demand:
    """Return what a request demands. Images ask for vision, whether the caller says so or not."""
    needed = query.capabilities
    if query.images:
        needed |= {Capability.VISION}
    size = query.size_bytes
    if size is None:
        size = 0 if query.input_tokens is not None else utf8_length(query.text)
    return Demand(query, needed, size, limits, catalog, key, now_us, healthy)


def fit(model: Model, demand: Demand) -> Candidate | Unfit:
    """Return the model as a candidate, with its output cut to what it can give, or what is wrong.

    Output is the caller's wish or the model's default, at most the model's maximum, at most what
    its window leaves beside the input, and at most what all choices together can be priced for.
    """
    query = demand.query
    if query.protocol is not None and query.protocol not in model.protocols:
        return Unfit(model, Obstacle.PROTOCOL)
    if not demand.capabilities <= model.capabilities:
        return Unfit(model, Obstacle.CAPABILITY)
    input_tokens = input_tokens_of(model, demand)
    wish = _wished_output(model, query)
    required = input_tokens + min(wish, demand.limits.holds.min_output_tokens)
    if required > model.context_window_tokens:
        return Unfit(model, Obstacle.CONTEXT, required)
    if not may_use(demand.limits, model, demand.key):
        return Unfit(model, Obstacle.PLAN)
    rates = rates_of(model, demand.catalog, demand.now_us)
    if rates is None:
        return Unfit(model, Obstacle.PRICE)
    if model.id in query.avoid or not demand.healthy(model):
        return Unfit(model, Obstacle.HEALTH)
    return Candidate(
        model=model.id,
        lane=model.lane,
        upstream=model.upstream,
        upstream_model=model.upstream_model,
        rates=rates,
        input_tokens=input_tokens,
        output_tokens=min(wish, model.context_window_tokens - input_tokens),
        choices=query.choices,
    )


def input_tokens_of(model: Model, demand: Demand) -> int:
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


def utf8_length(text: str) -> int:
    """Return the bytes of a text in UTF-8; half a surrogate pair counts as three."""
    return len(text) if text.isascii() else len(text.encode("utf-8", "surrogatepass"))


def _wished_output(model: Model, query: RouteQuery) -> int:
    if query.protocol is Protocol.EMBEDDINGS:
        return 0
    wish = query.max_output_tokens
    if wish is None:
        wish = model.default_output_tokens
    return min(wish, model.max_output_tokens, MAX_TOKENS // query.choices)
