"""Reads an upstream's answer up to where it is known whether it is one.

Until then another model can still be asked. Of errors only those go on to the caller that are about
its request; the others tell of our own account with the provider.
"""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from typing import Any, Final

from fluxrouter_server.dialects.dialect import Asked, Dialect, StreamMeter, failure_in
from fluxrouter_server.dialects.event_stream import EventSplitter, EventTooLong
from fluxrouter_server.dialects.refusals import Refusal
from fluxrouter_server.edge.upstreams import Upstream, UpstreamAnswer, UpstreamBroken

__all__ = ["Failure", "OpenStream", "WholeAnswer", "open_stream", "read_whole", "unreachable"]

#: The largest answer that is read: a thousand times a long one, and a bound all the same.
_MAX_ANSWER_BYTES: Final = 64 * 1024 * 1024
_MAX_ERROR_BYTES: Final = 64 * 1024
_MAX_MESSAGE_CHARACTERS: Final = 500
_LONGEST_RETRY_SECONDS: Final = 60

_OK: Final = 200
_TOO_MANY: Final = 429
_TIMEOUT: Final = 504
#: What is the caller's to mend: its request is wrong, or too large.
_CALLERS_FAULT: Final = frozenset({400, 413, 422})


@dataclass(frozen=True, slots=True)
class Failure:
    """An answer that is none.

    Attributes:
        refusal: What the caller is told where no other model answers.
        may_fall_back: Whether another model may be asked.
        is_sick: Whether it speaks against the upstream's health.
        is_broken: Whether the connection broke, which our own caller's departure does as well.
    """

    refusal: Refusal
    may_fall_back: bool
    is_sick: bool
    is_broken: bool = False


@dataclass(frozen=True, slots=True)
class WholeAnswer:
    """An answer in one piece: the JSON object, and its bytes as they came."""

    value: dict[str, Any]
    data: bytes


@dataclass(frozen=True, slots=True)
class OpenStream:
    """A stream that has begun: what is to be sent first, and where the rest comes from."""

    first: bytes
    pieces: AsyncIterator[bytes]
    splitter: EventSplitter
    meter: StreamMeter


async def read_whole(
    answer: UpstreamAnswer, dialect: Dialect, upstream: Upstream
) -> WholeAnswer | Failure:
    """Return the whole answer, or what is wrong with it."""
    try:
        if answer.status != _OK:
            return await _refused(answer, upstream)
        data = await _read(answer.pieces(), _MAX_ANSWER_BYTES)
    except UpstreamBroken:
        return unreachable(upstream)
    value = _object(data)
    if value is None:
        return _no_answer(upstream, "no JSON object")
    failed = failure_in(value)
    if failed and dialect.usage(value) is None:
        return _no_answer(upstream, "an error")
    return WholeAnswer(value, data)


async def open_stream(
    answer: UpstreamAnswer, dialect: Dialect, asked: Asked, upstream: Upstream
) -> OpenStream | Failure:
    """Return the stream from its first event on, or what is wrong with it."""
    splitter, meter = EventSplitter(), dialect.meter(asked)
    pieces = answer.pieces()
    try:
        if answer.status != _OK:
            return await _refused(answer, upstream)
        async for piece in pieces:
            events = splitter.feed(piece)
            if not events:
                continue
            first = b"".join([event.raw for event in events if meter.see(event)])
            if meter.failure and not meter.deltas:
                return _no_answer(upstream, "an error")
            return OpenStream(first, pieces, splitter, meter)
    except UpstreamBroken:
        return unreachable(upstream)
    except EventTooLong:
        return _no_answer(upstream, "no stream of events")
    return _no_answer(upstream, "an empty stream")


def unreachable(upstream: Upstream) -> Failure:
    """Return the failure of an upstream that could not be reached, or broke off."""
    return Failure(
        _sick(f"the upstream {upstream.name} could not be reached"),
        may_fall_back=True,
        is_sick=True,
        is_broken=True,
    )


async def _refused(answer: UpstreamAnswer, upstream: Upstream) -> Failure:
    """What an answer with another status than 200 means."""
    status = answer.status
    if not answer.is_from_upstream and status == _TIMEOUT:
        told = f"the upstream {upstream.name} did not answer in time; try again, or ask for less"
        refusal = Refusal(504, "upstream_timeout", told)
        return Failure(refusal, may_fall_back=False, is_sick=True)
    if not answer.is_from_upstream:
        return unreachable(upstream)
    data = await _read(answer.pieces(), _MAX_ERROR_BYTES)
    if status in _CALLERS_FAULT:
        return Failure(_passed_on(status, data, upstream), may_fall_back=False, is_sick=False)
    if status == _TOO_MANY:
        told = f"the upstream {upstream.name} takes no more requests at the moment; try again"
        refusal = Refusal(503, "no_healthy_model", told, retry_after_seconds=_retry_after(answer))
        return Failure(refusal, may_fall_back=True, is_sick=False)
    return Failure(
        _sick(f"the upstream {upstream.name} answered with the status {status}"),
        may_fall_back=True,
        is_sick=True,
    )


def _passed_on(status: int, data: bytes, upstream: Upstream) -> Refusal:
    value = _object(data) or {}
    message = failure_in(value) or "the upstream refused the request without saying why"
    if upstream.secret:
        message = message.replace(upstream.secret, "…")
    error = value.get("error")
    param = error.get("param") if isinstance(error, dict) else None
    return Refusal(
        status,
        "upstream_refused_request",
        message[:_MAX_MESSAGE_CHARACTERS],
        param if isinstance(param, str) else "",
        should_retry=False,
    )


def _no_answer(upstream: Upstream, what: str) -> Failure:
    refusal = _sick(f"the upstream {upstream.name} answered with {what}")
    return Failure(refusal, may_fall_back=True, is_sick=True)


def _sick(problem: str) -> Refusal:
    return Refusal(503, "no_healthy_model", f"{problem}; try again", retry_after_seconds=1)


def _retry_after(answer: UpstreamAnswer) -> int:
    text = answer.headers.get("retry-after", "")
    return min(_LONGEST_RETRY_SECONDS, max(1, int(text))) if text.isdecimal() else 1


async def _read(pieces: AsyncIterator[bytes], most_bytes: int) -> bytes:
    found = bytearray()
    async for piece in pieces:
        found += piece
        if len(found) > most_bytes:
            raise UpstreamBroken("the answer does not end")
    return bytes(found)


def _object(data: bytes) -> dict[str, Any] | None:
    try:
        value = json.loads(data)
    except (ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None
