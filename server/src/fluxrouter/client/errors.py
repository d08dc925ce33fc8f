"""What a call can end with besides an answer.

::

    FluxRouterError
     ├── Denied             the server said no; `reason` says why
     │    ├── CapReached        no money left on a level
     │    └── RateLimited       too much at once; `retry_after_seconds` says when
     ├── AlreadyRouted      this request was admitted before; call no model for it
     └── Unavailable        no answer within the deadline
"""

from collections.abc import Mapping
from typing import Final

import grpc
from google.rpc import error_details_pb2

from fluxrouter.v1 import errors_pb2, router_pb2

__all__ = [
    "AlreadyRouted",
    "CapReached",
    "Denied",
    "FluxRouterError",
    "RateLimited",
    "Unavailable",
    "error_of_call",
    "error_of_refusal",
]

_DETAILS_TRAILER: Final = "grpc-status-details-bin"
_RATES: Final = frozenset({"RATE_LIMITED", "TOO_MANY_IN_FLIGHT", "TOKEN_RATE_LIMITED"})
_CAPS: Final = frozenset({"CAP_REACHED", "HOURLY_CAP_REACHED"})
_UNAVAILABLE: Final = frozenset(
    code.value[0]
    for code in (
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.DEADLINE_EXCEEDED,
        grpc.StatusCode.CANCELLED,
    )
)


class FluxRouterError(Exception):
    """Root of all errors of the client."""


class Unavailable(FluxRouterError):
    """No answer within the deadline.

    Attributes:
        retry_after_seconds: When trying again makes sense; None: nobody said.
    """

    def __init__(self, message: str, *, retry_after_seconds: float | None = None) -> None:
        super().__init__(message)
        self.retry_after_seconds = retry_after_seconds


class AlreadyRouted(FluxRouterError):
    """The request was admitted before, by somebody else or another process.

    Attributes:
        response: What was answered then; its `state` says what became of the hold.
    """

    def __init__(self, response: router_pb2.RouteResponse) -> None:
        super().__init__(
            f"request {response.request_id}, attempt {response.attempt}, was admitted before: "
            "call no model for it, or route it again with a higher attempt once it is released"
        )
        self.response = response


class Denied(FluxRouterError):
    """The server said no.

    Attributes:
        reason: The name of a `fluxrouter.v1.Reason` without its prefix; empty: not one of ours.
        message: One sentence for people.
        facts: The figures that come with the reason, such as `remaining_nano_usd`.
        fields: What is wrong with fields of the request, by their names.
        retry_after_seconds: When waiting helps; None: it does not.
    """

    def __init__(
        self,
        reason: str,
        message: str,
        *,
        facts: Mapping[str, str],
        fields: Mapping[str, str],
        retry_after_seconds: float | None,
    ) -> None:
        super().__init__(f"{reason}: {message}" if reason else message)
        self.reason = reason
        self.message = message
        self.facts = facts
        self.fields = fields
        self.retry_after_seconds = retry_after_seconds


class CapReached(Denied):
    """A level has no room for the request."""


class RateLimited(Denied):
    """Too many requests or tokens at once."""


def error_of_call(error: grpc.aio.AioRpcError) -> Denied | Unavailable:
    """Returns what a call ended with."""
    for key, value in error.trailing_metadata() or ():
        if key == _DETAILS_TRAILER and isinstance(value, bytes):
            return error_of_refusal(errors_pb2.Refusal.FromString(value))
    code: int = error.code().value[0]
    return error_of_refusal(errors_pb2.Refusal(code=code, message=error.details() or ""))


def error_of_refusal(refusal: errors_pb2.Refusal) -> Denied | Unavailable:
    """Returns what a request ended with."""
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    retry = error_details_pb2.RetryInfo()
    retry_after_seconds = None
    for detail in refusal.details:
        if detail.Unpack(retry):
            retry_after_seconds = retry.retry_delay.seconds + retry.retry_delay.nanos / 1e9
        elif not detail.Unpack(info):
            detail.Unpack(bad)
    if refusal.code in _UNAVAILABLE:
        return Unavailable(refusal.message, retry_after_seconds=retry_after_seconds)
    kind = Denied
    if info.reason in _CAPS:
        kind = CapReached
    elif info.reason in _RATES:
        kind = RateLimited
    return kind(
        info.reason,
        refusal.message,
        facts=dict(info.metadata),
        fields={violation.field: violation.description for violation in bad.field_violations},
        retry_after_seconds=retry_after_seconds,
    )
