"""Requests of a platform's accounts, as a service would make them."""

from collections.abc import Mapping

import grpc

from fluxrouter.v1 import cap_pb2, metering_pb2, router_pb2
from fluxrouter_server.cli.session import CallRefused
from fluxrouter_testing.kubernetes_platform import Platform

__all__ = ["denial", "route", "settle", "spend", "try_route"]

_INPUT_TOKENS = 100


def route(
    platform: Platform,
    account: str,
    *,
    model: str = "flux-auto",
    output_tokens: int = 4_000,
    labels: Mapping[str, str] | None = None,
) -> router_pb2.RouteResponse:
    """Routes a request of an account.

    Raises:
        CallRefused: it was denied.
    """
    request = router_pb2.RouteRequest(
        account=account,
        model=model,
        input_tokens=_INPUT_TOKENS,
        max_output_tokens=output_tokens,
        labels=labels,
    )
    return platform.session.call(platform.session.router.Route, request)


def try_route(
    platform: Platform, account: str, *, labels: Mapping[str, str] | None = None
) -> router_pb2.RouteResponse | None:
    """Routes a request of an account; None where it was denied."""
    try:
        return route(platform, account, labels=labels)
    except CallRefused:
        return None


def settle(platform: Platform, hold: router_pb2.RouteResponse) -> None:
    """Settles a hold with everything that was granted."""
    usage = metering_pb2.Usage(
        input_tokens=_INPUT_TOKENS, output_tokens=hold.granted_max_output_tokens
    )
    request = metering_pb2.SettleRequest(hold_id=hold.hold_id, usage=usage)
    platform.session.call(platform.session.metering.Settle, request)


def denial(platform: Platform, account: str) -> str:
    """Returns why a request of an account is denied.

    Raises:
        AssertionError: it was routed, or nobody answered.
    """
    try:
        answer = route(platform, account)
    except CallRefused as refused:
        if refused.code is not grpc.StatusCode.UNAVAILABLE:
            return refused.reason
        raise AssertionError("the server is unavailable") from refused
    raise AssertionError(f"the request was routed: {answer}")


def spend(platform: Platform, account: str) -> cap_pb2.Spend:
    """Reads the counters of an account."""
    request = cap_pb2.GetSpendRequest(account=account)
    return platform.session.call(platform.session.caps.GetSpend, request).spend
