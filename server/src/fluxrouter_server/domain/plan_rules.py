"""What a plan must be like to be accepted."""

from collections.abc import Iterator

from fluxrouter_server.domain.catalog import Catalog
from fluxrouter_server.domain.checks import (
    are_known,
    at_most,
    in_range,
    is_amount,
    is_metadata,
    is_short,
)
from fluxrouter_server.domain.denials import FieldViolation
from fluxrouter_server.domain.money import format_usd
from fluxrouter_server.domain.names import validate_names
from fluxrouter_server.domain.plans import HoldRules, NamespaceSelector, Overage, Plan, RateLimits
from fluxrouter_server.domain.pricing import MAX_TOKENS

MAX_REQUESTS_PER_SECOND = 1_000_000
MAX_TOKENS_PER_MINUTE = 1_000_000_000
MAX_IN_FLIGHT = 1_000_000
MAX_EXPIRY_SECONDS = 3600
MAX_DISPLAY_NAME_CHARACTERS = 128
MAX_DESCRIPTION_CHARACTERS = 1024
# A plan's lists are distributed to every shard; none needs to name more than a catalog can hold.
MAX_IDS = 1000
#: Conditions of a selector, and values of each.
MAX_CONDITIONS = 64
_MAX_PERCENT = 100


def validate_plan(plan: Plan, catalog: Catalog | None) -> tuple[FieldViolation, ...]:
    """Say what of a plan is wrong, each with its path in the resource and what would be right.

    `catalog` is the one that will be in force with the plan, None where there is none.
    """
    return (
        *validate_names({"metadata.name": plan.name}),
        *is_metadata(plan.labels, plan.annotations),
        *is_short("spec.displayName", plan.display_name, characters=MAX_DISPLAY_NAME_CHARACTERS),
        *is_short("spec.description", plan.description, characters=MAX_DESCRIPTION_CHARACTERS),
        *_amounts(plan),
        *_hard_stop(plan),
        *validate_rate_limits("spec.rateLimits", plan.rate_limits),
        *_references(plan, catalog),
        *_holds(plan.holds, plan.rate_limits),
        *_alerts(plan.alert_percents),
        *_selector(plan.namespace_selector),
    )


def validate_rate_limits(
    path: str, limits: RateLimits, *, inherits: bool = False
) -> tuple[FieldViolation, ...]:
    """Say what of a plan's or an account's rates is wrong.

    A burst without its rate limits nothing, and is refused unless the rate may be inherited.
    """
    return tuple(_rate_limits(path, limits, inherits=inherits))


def _rate_limits(path: str, limits: RateLimits, *, inherits: bool) -> Iterator[FieldViolation]:
    rates = (
        ("requestsPerSecond", limits.requests_per_second, MAX_REQUESTS_PER_SECOND),
        ("requestBurst", limits.request_burst, MAX_REQUESTS_PER_SECOND),
        ("tokensPerMinute", limits.tokens_per_minute, MAX_TOKENS_PER_MINUTE),
        ("tokenBurst", limits.token_burst, MAX_TOKENS_PER_MINUTE),
        ("maxInFlight", limits.max_in_flight, MAX_IN_FLIGHT),
    )
    for name, value, most in rates:
        remedy = f"1 to {most}, or 0 for {'the default' if 'Burst' in name else 'none'}"
        yield from in_range(f"{path}.{name}", value, low=1, high=most, remedy=remedy)
    if inherits:
        return
    pairs = (
        ("requestBurst", limits.request_burst, "requestsPerSecond", limits.requests_per_second),
        ("tokenBurst", limits.token_burst, "tokensPerMinute", limits.tokens_per_minute),
    )
    for burst_name, burst, rate_name, rate in pairs:
        if burst is not None and rate is None:
            yield FieldViolation(
                f"{path}.{burst_name}", f"a burst alone limits nothing; set {path}.{rate_name} too"
            )


def _amounts(plan: Plan) -> Iterator[FieldViolation]:
    yield from is_amount("spec.feeUsd", plan.fee_nano_usd)
    yield from is_amount("spec.includedCreditUsd", plan.included_credit_nano_usd)
    yield from is_amount("spec.capUsd", plan.cap_nano_usd)
    yield from is_amount("spec.ceilingUsd", plan.ceiling_nano_usd)
    yield from is_amount("spec.hourlyCapUsd", plan.hourly_cap_nano_usd)
    yield from is_amount("spec.absorbedStopUsd", plan.absorbed_stop_nano_usd)


def _hard_stop(plan: Plan) -> Iterator[FieldViolation]:
    if plan.cap_nano_usd is None and plan.ceiling_nano_usd is None:
        yield FieldViolation("spec.capUsd", "neither capUsd nor ceilingUsd is set; set one of them")
        return
    if plan.cap_nano_usd is not None and plan.ceiling_nano_usd is not None:
        yield FieldViolation("spec.ceilingUsd", "capUsd is set as well; set one of them")
        return
    cap = plan.month_cap_nano_usd
    if plan.overage is Overage.NONE and cap > plan.included_credit_nano_usd:
        yield FieldViolation(
            "spec.capUsd" if plan.cap_nano_usd is not None else "spec.ceilingUsd",
            f"{format_usd(cap)} exceeds the included credit of "
            f"{format_usd(plan.included_credit_nano_usd)}, and overage none bills nothing beyond "
            "it; lower it, raise includedCreditUsd, or set overage to metered",
        )


def _references(plan: Plan, catalog: Catalog | None) -> Iterator[FieldViolation]:
    lanes = plan.lanes or frozenset()
    models = plan.models or frozenset()
    yield from at_most("spec.lanes", lanes, count=MAX_IDS)
    yield from at_most("spec.models", models, count=MAX_IDS)
    known_lanes = catalog.lanes if catalog else {}
    known_models = catalog.models if catalog else {}
    yield from are_known("spec.lanes", lanes, known=known_lanes, what="lane")
    yield from are_known("spec.models", models, known=known_models, what="model")
    if not lanes:
        return
    for outside in sorted(model for model in models if model in known_models):
        lane = known_models[outside].lane
        if lane not in lanes:
            yield FieldViolation(
                "spec.models",
                f"{outside} is in the lane {lane}, which spec.lanes leaves out; "
                "add the lane or remove the model",
            )


def _holds(holds: HoldRules, rates: RateLimits) -> Iterator[FieldViolation]:
    yield from in_range(
        "spec.holds.expirySeconds", holds.expiry_seconds, low=1, high=MAX_EXPIRY_SECONDS
    )
    yield from in_range(
        "spec.holds.minOutputTokens", holds.min_output_tokens, low=1, high=MAX_TOKENS
    )
    if rates.token_burst is not None and rates.token_burst < holds.min_output_tokens:
        yield FieldViolation(
            "spec.rateLimits.tokenBurst",
            f"{rates.token_burst} is below holds.minOutputTokens ({holds.min_output_tokens}), so "
            "a shrunken grant could never pass; raise it",
        )


def _alerts(percents: tuple[int, ...]) -> Iterator[FieldViolation]:
    for index, percent in enumerate(percents):
        path = f"spec.alertPercents[{index}]"
        yield from in_range(path, percent, low=1, high=_MAX_PERCENT)
        if index and percent <= percents[index - 1]:
            yield FieldViolation(
                path,
                f"{percent} follows {percents[index - 1]}; list each percentage once, ascending",
            )


def _selector(selector: NamespaceSelector | None) -> Iterator[FieldViolation]:
    """What is kept for a Kubernetes operator; the cluster has judged it already."""
    if selector is None:
        return
    path = "spec.namespaceSelector"
    conditions = selector.match_expressions
    yield from at_most(f"{path}.matchLabels", selector.match_labels, count=MAX_CONDITIONS)
    yield from at_most(f"{path}.matchExpressions", conditions, count=MAX_CONDITIONS)
    for index, condition in enumerate(conditions):
        item = f"{path}.matchExpressions[{index}]"
        yield from at_most(f"{item}.values", condition.values, count=MAX_CONDITIONS)
