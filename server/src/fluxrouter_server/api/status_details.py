"""Turns refusals into gRPC statuses with `google.rpc` details, the same on every transport."""

from collections.abc import Iterator
from dataclasses import dataclass

from google.protobuf.duration_pb2 import Duration
from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from fluxrouter_server.api.error_table import TABLE, Code, Row
from fluxrouter_server.api.wire_time import rfc3339
from fluxrouter_server.domain.denials import Denial, LevelFigures

__all__ = ["ERROR_DOMAIN", "Failure", "internal_failure", "refusal"]

#: `ErrorInfo.domain` of every refusal of ours.
ERROR_DOMAIN = "fluxrouter.ai"
#: What a caller learns of an error that nobody foresaw; the log has the rest, by request id.
_INTERNAL_MESSAGE = "internal error; the server's log has it under this request id"
#: A status travels in HTTP/2 trailers, of which clients take 8 KiB by default, base64 included.
_MAX_STATUS_BYTES = 4096
_MAX_MESSAGE_CHARACTERS = 1000
_MICROSECONDS = 10**6
_NANOS_PER_MICROSECOND = 1000


@dataclass(frozen=True, slots=True)
class Failure:
    """A call's end without an answer.

    Attributes:
        code: Status code.
        message: One sentence for people.
        status: The serialized `google.rpc.Status`, for the trailer `grpc-status-details-bin`.
    """

    code: Code
    message: str
    status: bytes


def refusal(denial: Denial) -> Failure:
    """Returns the status of a denial, with all details that its reason carries."""
    row = TABLE[denial.reason]
    message = denial.message[:_MAX_MESSAGE_CHARACTERS]
    status = status_pb2.Status(code=row.code, message=message)
    for detail in _details(denial, row):
        status.details.add().Pack(detail)
    if denial.violations:
        status.details.add().Pack(_bad_request(denial, _MAX_STATUS_BYTES - status.ByteSize()))
    return Failure(row.code, message, status.SerializeToString())


def internal_failure(request_id: str) -> Failure:
    """Returns the status of an error that nobody foresaw; it says nothing of what happened."""
    status = status_pb2.Status(code=Code.INTERNAL, message=_INTERNAL_MESSAGE)
    status.details.add().Pack(error_details_pb2.RequestInfo(request_id=request_id))
    return Failure(Code.INTERNAL, _INTERNAL_MESSAGE, status.SerializeToString())


def _details(denial: Denial, row: Row) -> Iterator[Message]:
    yield error_details_pb2.ErrorInfo(
        reason=denial.reason, domain=ERROR_DOMAIN, metadata=_metadata(denial, row)
    )
    if row.retry and denial.retry_after_us is not None:
        yield error_details_pb2.RetryInfo(retry_delay=_duration(denial.retry_after_us))
    if row.level and denial.level is not None:
        yield error_details_pb2.QuotaFailure(
            violations=[
                error_details_pb2.QuotaFailure.Violation(
                    subject=denial.level.level, description=denial.message
                )
            ]
        )


def _bad_request(denial: Denial, room_bytes: int) -> error_details_pb2.BadRequest:
    """Returns the violations that fit, in order; a caller that mends those learns of the rest."""
    bad_request = error_details_pb2.BadRequest()
    for violation in denial.violations:
        bad_request.field_violations.add(field=violation.field, description=violation.description)
        if bad_request.ByteSize() > room_bytes:
            del bad_request.field_violations[-1]
            break
    return bad_request


def _metadata(denial: Denial, row: Row) -> dict[str, str]:
    facts = {name: str(denial.facts[name]) for name in row.facts if name in denial.facts}
    if row.level and denial.level is not None:
        facts |= _level_facts(denial.level)
    return facts


def _level_facts(level: LevelFigures) -> dict[str, str]:
    facts = {
        "level": level.level,
        "cap_nano_usd": str(level.cap_nano_usd),
        "settled_nano_usd": str(level.settled_nano_usd),
        "held_nano_usd": str(level.held_nano_usd),
        "remaining_nano_usd": str(level.remaining_nano_usd),
    }
    if level.reset_us is not None:
        facts["reset_time"] = rfc3339(level.reset_us)
    return facts


def _duration(microseconds: int) -> Duration:
    seconds, rest = divmod(microseconds, _MICROSECONDS)
    return Duration(seconds=seconds, nanos=rest * _NANOS_PER_MICROSECOND)
