"""Answers of the hot services: holds, receipts and counters as messages."""

from fluxrouter.v1 import cap_pb2, metering_pb2, router_pb2
from fluxrouter_server.api.wire_rate_cards import rates_message, set_rates
from fluxrouter_server.api.wire_routing import set_tier_choice
from fluxrouter_server.api.wire_time import set_timestamp, timestamp
from fluxrouter_server.domain.catalog import Alias
from fluxrouter_server.domain.holds import HoldState, LevelSpend, Receipt
from fluxrouter_server.services.cap_service import Spend
from fluxrouter_server.services.ports.holds import Extended, Fit
from fluxrouter_server.services.routing_service import OfferedModel, Routed

__all__ = [
    "alias_message",
    "extend_response",
    "fit_response",
    "model_message",
    "route_response",
    "set_receipt",
    "spend_message",
]

_STATES = {
    HoldState.ACTIVE: router_pb2.HOLD_STATE_ACTIVE,
    HoldState.SETTLED: router_pb2.HOLD_STATE_SETTLED,
    HoldState.RELEASED: router_pb2.HOLD_STATE_RELEASED,
    HoldState.EXPIRED_CHARGED: router_pb2.HOLD_STATE_EXPIRED_CHARGED,
    HoldState.EXPIRED_RELEASED: router_pb2.HOLD_STATE_EXPIRED_RELEASED,
}


def route_response(routed: Routed) -> router_pb2.RouteResponse:
    """Returns an admission."""
    hold = routed.hold
    response = router_pb2.RouteResponse(
        hold_id=hold.id,
        request_id=hold.request_id,
        attempt=hold.attempt,
        model=hold.model,
        lane=hold.lane,
        upstream=hold.upstream,
        upstream_model=hold.upstream_model,
        tier=hold.tier or "",
        reasons=routed.reasons,
        input_tokens=hold.input_tokens,
        granted_max_output_tokens=hold.granted_output_tokens,
        shrunk=hold.granted_output_tokens < hold.wished_output_tokens,
        held_nano_usd=hold.held_nano_usd,
        headroom_nano_usd=hold.headroom_nano_usd,
        replayed=routed.replayed,
        state=_STATES[hold.state],
        would_deny_reason=hold.would_deny,
    )
    # In place: a message that is handed to the constructor is made and copied, at twice the cost.
    set_timestamp(response.expire_time, hold.expire_us)
    set_timestamp(response.period_end_time, hold.period_end_us)
    set_rates(response.rates, hold.rates)
    if routed.decision is not None:
        set_tier_choice(response.tier_choice, routed.decision)
    return response


def set_receipt(message: metering_pb2.Receipt, receipt: Receipt) -> None:
    """Writes what the ending of a hold came to into a message that is part of another."""
    message.hold_id = receipt.hold_id or ""
    message.request_id = receipt.request_id
    message.attempt = receipt.attempt
    message.state = _STATES[receipt.state]
    message.replayed = receipt.replayed
    message.cost_nano_usd = receipt.cost_nano_usd
    message.billed_nano_usd = receipt.billed_nano_usd
    message.absorbed_nano_usd = receipt.absorbed_nano_usd
    message.included_nano_usd = receipt.included_nano_usd
    message.metered_nano_usd = receipt.metered_nano_usd
    message.headroom_nano_usd = receipt.headroom_nano_usd
    message.model = receipt.model or ""
    message.lane = receipt.lane or ""


def extend_response(extended: Extended) -> metering_pb2.ExtendResponse:
    """Returns a hold after an extension."""
    return metering_pb2.ExtendResponse(
        held_nano_usd=extended.held_nano_usd,
        granted_max_output_tokens=extended.granted_output_tokens,
        expire_time=timestamp(extended.expire_us),
        headroom_nano_usd=extended.headroom_nano_usd,
    )


def fit_response(fit: Fit, now_us: int) -> cap_pb2.CheckCapResponse:
    """Returns whether a request would be admitted; `now_us` is what a retry is counted from."""
    denial, candidate = fit.denial, fit.candidate
    retry_us = None if denial is None else denial.retry_after_us
    return cap_pb2.CheckCapResponse(
        fits=denial is None,
        reason="" if denial is None else denial.reason,
        message="" if denial is None else denial.message,
        model="" if candidate is None else candidate.model,
        granted_max_output_tokens=0 if candidate is None else candidate.output_tokens,
        need_nano_usd=fit.need_nano_usd,
        headroom_nano_usd=fit.headroom_nano_usd,
        retry_time=None if retry_us is None else timestamp(now_us + retry_us),
    )


def spend_message(spend: Spend) -> cap_pb2.Spend:
    """Returns the counters of an account; the month's are the first level's."""
    reading = spend.reading
    month = reading.levels[0]
    return cap_pb2.Spend(
        account=spend.account,
        plan=spend.plan,
        cap_nano_usd=month.cap_nano_usd or 0,
        settled_nano_usd=month.settled_nano_usd,
        held_nano_usd=month.held_nano_usd,
        headroom_nano_usd=month.headroom_nano_usd or 0,
        absorbed_nano_usd=reading.absorbed_nano_usd,
        included_used_nano_usd=reading.included_used_nano_usd,
        period_start_time=timestamp(reading.period.start_us),
        period_end_time=timestamp(reading.period.end_us),
        in_flight=reading.in_flight,
        levels=[_level_message(level) for level in reading.levels],
        read_time=timestamp(reading.store_us),
        generation=spend.generation.counter,
    )


def model_message(offered: OfferedModel) -> router_pb2.ModelInfo:
    """Returns a model as callers see it."""
    model = offered.model
    return router_pb2.ModelInfo(
        id=model.id,
        display_name=model.display_name,
        lane=model.lane,
        rates=None if offered.rates is None else rates_message(offered.rates),
        context_window_tokens=model.context_window_tokens,
        max_output_tokens=model.max_output_tokens,
        capabilities=sorted(model.capabilities),
        protocols=sorted(model.protocols),
    )


def alias_message(alias: Alias) -> router_pb2.AliasInfo:
    """Returns an alias as callers see it."""
    return router_pb2.AliasInfo(id=alias.id, target=alias.target)


def _level_message(level: LevelSpend) -> cap_pb2.LevelSpend:
    return cap_pb2.LevelSpend(
        level=level.level,
        cap_nano_usd=level.cap_nano_usd,
        settled_nano_usd=level.settled_nano_usd,
        held_nano_usd=level.held_nano_usd,
        headroom_nano_usd=level.headroom_nano_usd,
    )
