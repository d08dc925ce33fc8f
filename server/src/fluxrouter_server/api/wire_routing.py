"""How tiers are chosen, on the wire: the policies of the catalog, and what a choice weighed."""

from fluxrouter.v1 import catalog_pb2, router_pb2
from fluxrouter_server.domain.catalog import (
    BALANCED_DIAL_PERCENT,
    TierCosts,
    TierPolicy,
    TierRouting,
)
from fluxrouter_server.routing.rules import TierDecision
from fluxrouter_server.routing.tier_choice import WeighedDecision

__all__ = ["read_routing", "routing_message", "set_tier_choice"]


def read_routing(message: catalog_pb2.Routing) -> TierRouting:
    """Returns the policies, with all defaults filled in."""
    costs = message.costs
    return TierRouting(
        active=_read_policy(message.active),
        shadow=_read_policy(message.shadow) if message.HasField("shadow") else None,
        costs=TierCosts(costs.fast, costs.standard, costs.reasoning)
        if message.HasField("costs")
        else TierCosts(),
    )


def routing_message(routing: TierRouting) -> catalog_pb2.Routing | None:
    """Returns the policies as a resource has them; None where they are the usual ones."""
    if routing == TierRouting():
        return None
    costs = routing.costs
    return catalog_pb2.Routing(
        active=_policy_message(routing.active),
        shadow=None if routing.shadow is None else _policy_message(routing.shadow),
        costs=catalog_pb2.TierCosts(
            fast=costs.fast, standard=costs.standard, reasoning=costs.reasoning
        ),
    )


def set_tier_choice(message: router_pb2.TierChoice, decision: TierDecision) -> None:
    """Writes what a choice weighed into a message that is part of another."""
    if not isinstance(decision, WeighedDecision):
        return
    message.model_sha256 = decision.model_sha256
    message.margin = decision.margin
    message.cost_weight = decision.cost_weight
    for score in decision.scores:
        message.scores.add(
            tier=score.tier,
            expected_quality=score.expected_quality,
            relative_cost=score.relative_cost,
            utility=score.utility,
        )
    shadow = decision.shadow
    if isinstance(shadow, WeighedDecision):
        message.shadow_tier = shadow.tier
        message.shadow_model_sha256 = shadow.model_sha256


def _read_policy(message: catalog_pb2.TierPolicy) -> TierPolicy:
    has_dial = message.HasField("cost_dial_percent")
    return TierPolicy(
        model_sha256=message.model_sha256,
        model_file=message.model_file,
        cost_dial_percent=message.cost_dial_percent if has_dial else BALANCED_DIAL_PERCENT,
    )


def _policy_message(policy: TierPolicy) -> catalog_pb2.TierPolicy:
    return catalog_pb2.TierPolicy(
        model_sha256=policy.model_sha256,
        model_file=policy.model_file,
        cost_dial_percent=policy.cost_dial_percent,
    )
