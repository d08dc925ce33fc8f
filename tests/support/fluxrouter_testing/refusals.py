"""What a refused call says: its status, reason, figures and the fields that were wrong."""

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, cast

import grpc
from google.protobuf.duration_pb2 import Duration
from google.rpc import error_details_pb2
from grpc_status import rpc_status

__all__ = ["Refusal", "refusal_of", "refused"]


@dataclass(frozen=True)
class Refusal:
    """A refused call.

    Attributes:
        code: Status of the call.
        message: Its sentence for people.
        reason: `ErrorInfo.reason`, "" where there is none.
        facts: `ErrorInfo.metadata`.
        fields: Descriptions of `BadRequest`, by field.
        retry_seconds: `RetryInfo`, None where there is none.
        quota: Subjects of `QuotaFailure`.
    """

    code: grpc.StatusCode
    message: str
    reason: str
    facts: dict[str, str]
    fields: dict[str, str]
    retry_seconds: float | None
    quota: list[str]


async def refused(call: Awaitable[Any]) -> Refusal:
    """Awaits a call that must be refused, and returns the refusal.

    Raises:
        AssertionError: it was answered.
    """
    try:
        answer = await call
    except grpc.aio.AioRpcError as error:
        return refusal_of(error)
    raise AssertionError(f"the call was answered: {answer}")


def refusal_of(error: grpc.aio.AioRpcError) -> Refusal:
    """Reads the details of a status."""
    info, bad = error_details_pb2.ErrorInfo(), error_details_pb2.BadRequest()
    retry, quota = error_details_pb2.RetryInfo(), error_details_pb2.QuotaFailure()
    has_retry = False
    status = rpc_status.from_call(cast("grpc.Call", error))
    for detail in status.details if status is not None else ():
        has_retry |= detail.Unpack(retry)
        for other in (info, bad, quota):
            detail.Unpack(other)
    return Refusal(
        code=error.code(),
        message=error.details() or "",
        reason=info.reason,
        facts=dict(info.metadata),
        fields={item.field: item.description for item in bad.field_violations},
        retry_seconds=_seconds(retry.retry_delay) if has_retry else None,
        quota=[violation.subject for violation in quota.violations],
    )


def _seconds(duration: Duration) -> float:
    return duration.seconds + duration.nanos / 1e9
