"""A customer with one API key: asks, pays what was used, is told no."""

from dataclasses import dataclass

from traffic import Ask

from fluxrouter.v1 import cap_pb2, metering_pb2, router_pb2, usage_pb2
from fluxrouter_server.cli.session import CallRefused, Session


@dataclass(frozen=True)
class Served:
    """A request that was routed and settled."""

    model: str
    lane: str
    tier: str
    billed_nano_usd: int
    shrunk: bool


@dataclass(frozen=True)
class Refused:
    """A request that was not routed, with the server's own words."""

    reason: str
    message: str
    facts: dict[str, str]


def ask(session: Session, request: Ask, *, model: str = "flux-auto") -> Served | Refused:
    """Routes a request and settles it with what its answer used, as an edge would.

    Raises:
        CallRefused: the settlement was refused, which must not happen.
    """
    try:
        route = session.call(
            session.router.Route,
            router_pb2.RouteRequest(
                model=model, text=request.text, max_output_tokens=request.max_output_tokens
            ),
        )
    except CallRefused as refusal:
        return Refused(refusal.reason, refusal.message, refusal.facts)
    usage = metering_pb2.Usage(
        input_tokens=request.input_tokens,
        output_tokens=max(1, int(route.granted_max_output_tokens * request.output_share)),
    )
    receipt = session.call(
        session.metering.Settle,
        metering_pb2.SettleRequest(hold_id=route.hold_id, usage=usage),
    ).receipt
    return Served(route.model, route.lane, route.tier, receipt.billed_nano_usd, route.shrunk)


def spend(session: Session) -> cap_pb2.Spend:
    """Reads the customer's own counters."""
    return session.call(session.caps.GetSpend, cap_pb2.GetSpendRequest()).spend


def usage(session: Session) -> usage_pb2.GetUsageResponse:
    """Reads what the customer used in the open month, from the ledger."""
    return session.call(session.usage.GetUsage, usage_pb2.GetUsageRequest())
