"""Why no model can serve a request, as the one denial that helps its caller most."""

from collections.abc import Sequence
from difflib import get_close_matches
from heapq import nlargest
from typing import assert_never

from fluxrouter_server.domain.catalog import Catalog
from fluxrouter_server.domain.catalog_rules import PINNED_PREFIX
from fluxrouter_server.domain.denials import Denial, FieldViolation, Reason
from fluxrouter_server.domain.ids import KeyName
from fluxrouter_server.domain.limits import Limits, may_use
from fluxrouter_server.domain.names import shown
from fluxrouter_server.routing.fitness import Demand, Obstacle, Unfit

#: Upstreams that failed are tried again about this soon.
UNHEALTHY_RETRY_US = 1_000_000
_MOST_NEAREST = 3
# Comparing texts takes time that grows with their product; no id is longer.
_MOST_COMPARED_CHARACTERS = 128
# A caller who asks for nonsense must not keep the server busy: comparing 64 ids takes 2 ms.
_MOST_COMPARED_IDS = 64


def model_not_found(name: str, limits: Limits, catalog: Catalog, key: KeyName | None) -> Denial:
    """Return the denial of a name that stands for nothing, with the nearest ids that may be used.

    `facts["nearest"]` lists them by similarity, parted by commas; it is empty where none is near.
    """
    wanted = name[:_MOST_COMPARED_CHARACTERS].removeprefix(PINNED_PREFIX)
    usable = [model.id for model in catalog.models.values() if may_use(limits, model, key)]
    nearest = _nearest(wanted, [*usable, *catalog.aliases])
    remedy = f"did you mean {' or '.join(nearest)}?" if nearest else "list the models to see them"
    return Denial(
        Reason.MODEL_NOT_FOUND,
        f"{shown(name)} is no model and no alias; {remedy}",
        facts={"model": name, "nearest": ",".join(nearest)},
    )


def nobody_fits(unfits: Sequence[Unfit], demand: Demand) -> Denial:
    """Return the denial for models of which none fits: that of the one that came nearest.

    Among windows that are too small the largest counts. Without any model (a tier whose models the
    catalog lacks) there is none to serve.
    """
    if not unfits:
        return _unhealthy(f"no model serves {shown(demand.query.model)}")
    last = max(unfits, key=lambda unfit: unfit.obstacle).obstacle
    nearest = [unfit for unfit in unfits if unfit.obstacle is last]
    match last:
        case Obstacle.PROTOCOL:
            return _wrong_protocol(nearest, demand)
        case Obstacle.CAPABILITY:
            return _not_capable(nearest, demand)
        case Obstacle.CONTEXT:
            return _too_long(nearest)
        case Obstacle.PLAN:
            return _not_allowed(nearest, demand)
        case Obstacle.PRICE:
            return _unpriced(nearest)
        case Obstacle.HEALTH:
            return _unhealthy(f"the upstream of {_names(nearest)} does not answer")
        case _:
            assert_never(last)


def _nearest(wanted: str, ids: Sequence[str]) -> list[str]:
    """The most similar ids; of many, those that begin alike are compared."""

    def shared(one: str) -> int:
        pairs = zip(one, wanted, strict=False)
        return next((n for n, (a, b) in enumerate(pairs) if a != b), min(len(one), len(wanted)))

    compared = nlargest(_MOST_COMPARED_IDS, ids, key=shared)
    return get_close_matches(wanted, compared, n=_MOST_NEAREST)


def _wrong_protocol(unfits: Sequence[Unfit], demand: Demand) -> Denial:
    spoken = sorted({protocol for unfit in unfits for protocol in unfit.model.protocols})
    return _invalid(
        "protocol",
        f"{_names(unfits)} cannot be spoken to in {demand.query.protocol}, and requests are never "
        f"translated; use {' or '.join(spoken)}, or another model",
    )


def _not_capable(unfits: Sequence[Unfit], demand: Demand) -> Denial:
    missing = sorted(demand.capabilities - unfits[0].model.capabilities)
    by_images = demand.query.images and not demand.capabilities <= demand.query.capabilities
    return _invalid(
        "images" if by_images else "capabilities",
        f"{_names(unfits)} cannot do all of {', '.join(sorted(demand.capabilities))}"
        f" ({unfits[0].model.id} lacks {', '.join(missing)}); use another model",
    )


def _too_long(unfits: Sequence[Unfit]) -> Denial:
    widest = max(unfits, key=lambda unfit: unfit.model.context_window_tokens)
    window = widest.model.context_window_tokens
    return Denial(
        Reason.CONTEXT_TOO_LONG,
        f"input and the smallest output take {widest.required_tokens} tokens, and the window of "
        f"{widest.model.id} has {window}; shorten the input, or use a model with a larger window",
        facts={"required_tokens": widest.required_tokens, "window_tokens": window},
    )


def _not_allowed(unfits: Sequence[Unfit], demand: Demand) -> Denial:
    limits = demand.limits
    by_key = all(may_use(limits, unfit.model, None) for unfit in unfits)
    who = f"the API key {demand.key}" if by_key else f"the plan {limits.plan}"
    remedy = "use a model that the key allows" if by_key else "upgrade the plan"
    return Denial(
        Reason.MODEL_NOT_IN_PLAN,
        f"{who} does not allow {_names(unfits)}; {remedy}, or use another model",
        facts={"plan": limits.plan, "model": unfits[0].model.id},
    )


def _unpriced(unfits: Sequence[Unfit]) -> Denial:
    model = unfits[0].model.id
    return Denial(
        Reason.MODEL_UNPRICED,
        f"{model} has no rate card in force, and is not served for nothing; "
        "use another model, or have the catalog price it",
        facts={"model": model},
    )


def _unhealthy(problem: str) -> Denial:
    return Denial(
        Reason.NO_HEALTHY_MODEL,
        f"{problem}; try again, or use another model",
        retry_after_us=UNHEALTHY_RETRY_US,
    )


def _invalid(field: str, description: str) -> Denial:
    return Denial(
        Reason.INVALID_REQUEST,
        f"{field}: {description}",
        violations=(FieldViolation(field, description),),
    )


def _names(unfits: Sequence[Unfit]) -> str:
    """The models as a sentence names them: three at most."""
    names = list(dict.fromkeys(unfit.model.id for unfit in unfits))
    more = f" and {len(names) - _MOST_NEAREST} more" if len(names) > _MOST_NEAREST else ""
    return ", ".join(names[:_MOST_NEAREST]) + more
