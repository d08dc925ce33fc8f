"""How a request ends that is not answered: one table from reasons to HTTP.

A refusal says in words and in a code what is wrong, whether trying again helps and when, and which
figures stood in the way. `error_bodies` puts it into the shape that the caller's client reads.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from fluxrouter_server.dialects.instants import rfc3339
from fluxrouter_server.domain.denials import Denial, Reason
from fluxrouter_server.domain.money import format_usd

__all__ = ["STORE_UNAVAILABLE", "Kind", "Refusal", "Refused", "bad_request", "refusal_of"]

_MICROSECONDS: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class Kind:
    """What OpenAI and Anthropic call an error of this sort in its `type`."""

    openai: str
    anthropic: str


_INVALID: Final = Kind("invalid_request_error", "invalid_request_error")
_UNAUTHENTICATED: Final = Kind("authentication_error", "authentication_error")
_MONEY: Final = Kind("insufficient_quota", "billing_error")
_NOT_FOUND: Final = Kind("invalid_request_error", "not_found_error")
_TOO_FAST: Final = Kind("rate_limit_error", "rate_limit_error")
_BUSY: Final = Kind("server_error", "overloaded_error")
_CONFLICT: Final = Kind("conflict_error", "invalid_request_error")
_TOO_LARGE: Final = Kind("invalid_request_error", "request_too_large")
_FAILED: Final = Kind("server_error", "api_error")
_BY_STATUS: Final[Mapping[int, Kind]] = {
    401: _UNAUTHENTICATED,
    402: _MONEY,
    404: _NOT_FOUND,
    409: _CONFLICT,
    413: _TOO_LARGE,
    429: _TOO_FAST,
    500: _FAILED,
    502: _FAILED,
    503: _BUSY,
    504: Kind("server_error", "timeout_error"),
}


@dataclass(frozen=True, slots=True)
class Refusal:
    """An answer that is an error.

    Attributes:
        status: HTTP's.
        code: Machine-readable reason in lower case.
        message: One sentence for people that says what to do.
        param: The field of the request that is wrong; empty for none.
        retry_after_seconds: When to try again; None where waiting does not help.
        should_retry: What clients are told of trying the very same again; None leaves it to them.
        figures: Further facts for programs, in nobody's standard.
    """

    status: int
    code: str
    message: str
    param: str = ""
    retry_after_seconds: int | None = None
    should_retry: bool | None = None
    figures: Mapping[str, str | int] = field(default_factory=dict)

    @property
    def kind(self) -> Kind:
        """Its `type`."""
        return _BY_STATUS.get(self.status, _INVALID)


class Refused(Exception):
    """A request that cannot be read; raised from deep inside of its body."""

    def __init__(self, refusal: Refusal) -> None:
        super().__init__(refusal.message)
        self.refusal = refusal


STORE_UNAVAILABLE: Final = Refusal(
    503,
    Reason.STORE_UNAVAILABLE.lower(),
    "no decision could be had from the store; send the request again",
    retry_after_seconds=1,
)

#: Status of each reason that a route, a settlement or the list of models can answer.
_STATUS: Final[Mapping[Reason, int]] = {
    Reason.CAP_REACHED: 402,
    Reason.HOURLY_CAP_REACHED: 402,
    Reason.RATE_LIMITED: 429,
    Reason.TOO_MANY_IN_FLIGHT: 429,
    Reason.TOKEN_RATE_LIMITED: 429,
    Reason.PAYMENT_METHOD_REQUIRED: 402,
    Reason.ACCOUNT_SUSPENDED: 402,
    Reason.MODEL_NOT_IN_PLAN: 402,  # the remedy is another plan
    Reason.API_KEY_INVALID: 401,
    Reason.MODEL_NOT_FOUND: 404,
    Reason.CONTEXT_TOO_LONG: 400,
    Reason.MODEL_UNPRICED: 400,
    Reason.NO_HEALTHY_MODEL: 503,
    Reason.STORE_UNAVAILABLE: 503,
    Reason.INVALID_REQUEST: 400,
    Reason.RESOURCE_NOT_FOUND: 404,
    Reason.REQUEST_ID_REUSED: 400,
    Reason.ATTEMPT_SUPERSEDED: 409,
    Reason.CREDENTIAL_INVALID: 401,
}


def refusal_of(denial: Denial) -> Refusal:
    """Return a denial as HTTP tells it. A reason that no HTTP request can meet is a 500."""
    status = _STATUS.get(denial.reason, 500)
    wait_us = denial.retry_after_us
    return Refusal(
        status=status,
        code=denial.reason.lower(),
        message=denial.message,
        param=denial.violations[0].field if denial.violations else "",
        retry_after_seconds=None if wait_us is None else max(1, -(-wait_us // _MICROSECONDS)),
        should_retry=None if status in {429, 503} else False,
        figures=_figures(denial),
    )


def bad_request(message: str, *, param: str = "", status: int = 400, code: str = "") -> Refused:
    """Return the error of a request that is wrong in itself."""
    refusal = Refusal(status, code or "invalid_request", message, param, should_retry=False)
    return Refused(refusal)


def _figures(denial: Denial) -> dict[str, str | int]:
    figures = dict(denial.facts)
    level = denial.level
    if level is not None:
        figures |= {
            "level": level.level,
            "cap_usd": format_usd(level.cap_nano_usd),
            "settled_usd": format_usd(level.settled_nano_usd),
            "held_usd": format_usd(level.held_nano_usd),
            "remaining_usd": format_usd(level.remaining_nano_usd),
        }
        if level.reset_us is not None:
            figures["reset_time"] = rfc3339(level.reset_us)
    return figures
