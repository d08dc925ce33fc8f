"""What comes before and after a servicer on every transport: who calls, may they, and errors."""

import logging
from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter
from typing import Any, Final, Protocol
from uuid import uuid4

import structlog

from fluxrouter_server.api.call_context import CallContext
from fluxrouter_server.api.error_table import Code, denial_of
from fluxrouter_server.api.methods import AnyMethod
from fluxrouter_server.api.status_details import Failure, internal_failure, refusal
from fluxrouter_server.api.wire_walk import largest_field, read_message
from fluxrouter_server.domain.denials import Denial
from fluxrouter_server.services.callers import Caller, Scope
from fluxrouter_server.services.payers import scope_missing
from fluxrouter_server.services.ports.errors import StoreError, StoreUnavailable
from fluxrouter_server.services.refusals import invalid_field
from fluxrouter_server.telemetry.call_stats import CallStats

__all__ = ["Arrival", "Authenticator", "CallEntry"]

_log = structlog.get_logger(__name__)

_BEARER: Final = "bearer "
_MAX_REQUEST_ID_CHARACTERS: Final = 128
_MICROSECONDS: Final = 1_000_000


class Authenticator(Protocol):
    """Finds out who calls."""

    async def authenticate(self, secret: str | None) -> Caller | Denial:
        """Says who holds the secret; None where the call brought none."""
        ...


@dataclass(slots=True)
class Arrival:
    """What a transport knows of a call besides its message. Not frozen: one is made for each call.

    Attributes:
        authorization: The header of that name; None where there is none.
        request_id: The header `x-request-id`, which names the call in logs; None: one is made.
        time_left_seconds: How long the caller will wait; None: it did not say.
    """

    authorization: str | None
    request_id: str | None
    time_left_seconds: float | None

    def name(self) -> str:
        """Returns what the call is called in logs: always the same for one call."""
        given = self.request_id
        if not given or len(given) > _MAX_REQUEST_ID_CHARACTERS or not given.isascii():
            self.request_id = given = uuid4().hex
        return given


class CallEntry:
    """The steps around one method's servicer.

    Args:
        method: Which.
        authenticator: Finds out who calls.
        stats: Makes the counters of a method, given `service/method`.
        max_message_bytes: The largest message that is read.
    """

    __slots__ = (
        "_access",
        "_authenticate",
        "_logs_calls",
        "_max_message_bytes",
        "_request",
        "_stats",
        "name",
    )

    def __init__(
        self,
        method: AnyMethod,
        *,
        authenticator: Authenticator,
        stats: Callable[[str], CallStats],
        max_message_bytes: int,
    ) -> None:
        self.name = f"{method.service}/{method.name}"
        self._access = method.access
        self._request = method.request
        self._authenticate = authenticator.authenticate
        self._max_message_bytes = max_message_bytes
        self._stats = stats(self.name)
        # Asked once: a log call that is filtered out still costs as much as parsing the message.
        self._logs_calls: bool = _log.is_enabled_for(logging.DEBUG)

    async def admit(self, data: bytes, arrival: Arrival) -> tuple[Any, CallContext] | Denial:
        """Returns the message and its context, or why the call goes no further."""
        caller = await self._authenticate(_secret(arrival.authorization))
        if isinstance(caller, Denial):
            return caller
        if not self._access.allows(caller):
            return scope_missing(*sorted(self._access.scopes))
        if len(data) > self._max_message_bytes:
            return self._too_large(data)
        message = read_message(self._request, data)
        if isinstance(message, Denial):
            return message
        left = arrival.time_left_seconds
        return message, CallContext(caller, None if left is None else int(left * _MICROSECONDS))

    def failure(self, error: Exception, arrival: Arrival) -> Failure:
        """Returns the status of what was raised, and logs once what nobody foresaw."""
        if isinstance(error, StoreError):
            if not isinstance(error, StoreUnavailable):
                _log.error("store_refused", method=self.name, error=str(error))
            return refusal(denial_of(error, to_operator=Scope.CONTROL in self._access.scopes))
        _log.error("call_failed", method=self.name, request_id=arrival.name(), exc_info=error)
        return internal_failure(arrival.name())

    def begin(self) -> float:
        """Counts a call that begins; returns what `end` wants to know."""
        self._stats.in_flight += 1
        return perf_counter()

    def end(self, code: Code, begun: float, arrival: Arrival) -> None:
        """Counts a call that ends and, where anybody wants to read that much, logs it."""
        seconds = perf_counter() - begun
        self._stats.end(code, seconds)
        if self._logs_calls:
            _log.debug(
                "call_ended",
                method=self.name,
                request_id=arrival.name(),
                code=code.name,
                seconds=round(seconds, 6),
            )

    def _too_large(self, data: bytes) -> Denial:
        return invalid_field(
            largest_field(self._request, data) or "message",
            f"the message has {len(data)} bytes, most of them here; "
            f"send at most {self._max_message_bytes} in all",
        )


def _secret(authorization: str | None) -> str | None:
    """Returns the secret of the header; what is no `Bearer …` is passed on, and nobody's."""
    if authorization is None:
        return None
    if authorization[: len(_BEARER)].lower() == _BEARER:
        return authorization[len(_BEARER) :].strip()
    return authorization
