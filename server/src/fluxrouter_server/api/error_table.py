"""The one table of refusals: how each reason travels as a gRPC status.

`protos/fluxrouter/v1/errors.proto` is the contract; a test holds this table against its comments.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import IntEnum

from fluxrouter_server.domain.denials import Denial, Reason
from fluxrouter_server.services.ports.errors import StoreError, StoreUnavailable

__all__ = ["TABLE", "Code", "Row", "denial_of"]

#: A store that must not be used is mended by people: asking every second helps nobody.
_REFUSED_RETRY_US = 10_000_000


class Code(IntEnum):
    """Status codes of gRPC that this server answers itself."""

    OK = 0
    CANCELLED = 1
    INVALID_ARGUMENT = 3
    DEADLINE_EXCEEDED = 4
    NOT_FOUND = 5
    ALREADY_EXISTS = 6
    PERMISSION_DENIED = 7
    RESOURCE_EXHAUSTED = 8
    FAILED_PRECONDITION = 9
    UNIMPLEMENTED = 12
    INTERNAL = 13
    UNAVAILABLE = 14
    UNAUTHENTICATED = 16


@dataclass(frozen=True, slots=True)
class Row:
    """How one reason travels.

    Attributes:
        code: The status code.
        retry: Whether waiting helps, so that RetryInfo says how long.
        level: Whether the figures of a level go along, as metadata and as QuotaFailure.
        facts: Names of the further metadata; a denial's other facts stay inside.
    """

    code: Code
    retry: bool = False
    level: bool = False
    facts: tuple[str, ...] = ()


TABLE: Mapping[Reason, Row] = {
    Reason.CAP_REACHED: Row(Code.RESOURCE_EXHAUSTED, level=True),
    Reason.HOURLY_CAP_REACHED: Row(Code.RESOURCE_EXHAUSTED, retry=True, level=True),
    Reason.RATE_LIMITED: Row(Code.RESOURCE_EXHAUSTED, retry=True),
    Reason.TOO_MANY_IN_FLIGHT: Row(Code.RESOURCE_EXHAUSTED, retry=True, facts=("limit",)),
    Reason.TOKEN_RATE_LIMITED: Row(Code.RESOURCE_EXHAUSTED, retry=True),
    Reason.PAYMENT_METHOD_REQUIRED: Row(Code.FAILED_PRECONDITION),
    Reason.ACCOUNT_SUSPENDED: Row(Code.FAILED_PRECONDITION),
    Reason.MODEL_NOT_IN_PLAN: Row(Code.PERMISSION_DENIED, facts=("plan", "model")),
    Reason.API_KEY_INVALID: Row(Code.UNAUTHENTICATED),
    Reason.MODEL_NOT_FOUND: Row(Code.NOT_FOUND, facts=("model", "nearest")),
    Reason.CONTEXT_TOO_LONG: Row(Code.INVALID_ARGUMENT, facts=("required_tokens", "window_tokens")),
    Reason.MODEL_UNPRICED: Row(Code.FAILED_PRECONDITION, facts=("model",)),
    Reason.NO_HEALTHY_MODEL: Row(Code.UNAVAILABLE, retry=True),
    Reason.STORE_UNAVAILABLE: Row(Code.UNAVAILABLE, retry=True),
    Reason.INVALID_REQUEST: Row(Code.INVALID_ARGUMENT),
    Reason.RESOURCE_NOT_FOUND: Row(Code.NOT_FOUND),
    Reason.RESOURCE_IN_USE: Row(Code.FAILED_PRECONDITION),
    Reason.HOLD_NOT_FOUND: Row(Code.NOT_FOUND),
    Reason.HOLD_TOO_OLD: Row(Code.FAILED_PRECONDITION),
    Reason.HOLD_NOT_YOURS: Row(Code.PERMISSION_DENIED),
    Reason.REQUEST_ID_REUSED: Row(Code.INVALID_ARGUMENT),
    Reason.ATTEMPT_SUPERSEDED: Row(Code.FAILED_PRECONDITION),
    Reason.CREDENTIAL_INVALID: Row(Code.UNAUTHENTICATED),
    Reason.SCOPE_MISSING: Row(Code.PERMISSION_DENIED, facts=("scope",)),
    Reason.HOLD_ENDED: Row(Code.FAILED_PRECONDITION),
    Reason.KEY_EXISTS: Row(Code.ALREADY_EXISTS),
}


def denial_of(error: StoreError, *, to_operator: bool) -> Denial:
    """Returns what a caller is told of a failure of the store.

    Args:
        error: Its message is for operators: it names shards, addresses and settings.
        to_operator: Whether the caller is one, whom it helps: a change that reached some shards and
            not others says which.
    """
    if isinstance(error, StoreUnavailable):
        message = error.for_callers or (
            "no decision could be had from the store; repeat the call with the same ids"
        )
        retry_after_us = error.retry_after_us
    else:
        message = "the store must not be used as it is set up; the server's log says how to mend it"
        retry_after_us = _REFUSED_RETRY_US
    return Denial(
        Reason.STORE_UNAVAILABLE,
        str(error) if to_operator else message,
        retry_after_us=retry_after_us,
    )
