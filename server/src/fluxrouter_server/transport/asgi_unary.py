"""Calls with one message in and one out, as plain ASGI: the path of every decision.

What is done here is done for each decision, so it is little: no task, no timer unless the caller
has a deadline, no copy of the message unless it came in pieces. Whether a caller has gone is not
asked for either: these calls end by themselves within the store's patience, and an answer that
nobody awaits is dropped by Envoy.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final, TypeAlias

from fluxrouter_server.api.error_table import Code
from fluxrouter_server.api.status_details import Failure
from fluxrouter_server.transport.asgi_framing import (
    FRAME_HEADER_BYTES,
    BrokenFrame,
    FrameReader,
    frame,
    gzip_frame,
    plain,
)
from fluxrouter_server.transport.asgi_headers import (
    ANSWER_END,
    ANSWER_START,
    GZIP_ANSWER_START,
    Heading,
    failure_only,
    not_grpc,
    read_heading,
)
from fluxrouter_server.transport.asgi_types import Endpoint, Event, Receive, Scope, Send
from fluxrouter_server.transport.call_entry import Arrival

__all__ = ["DEADLINE_EXCEEDED", "Call", "unary_endpoint"]

#: A `UnaryCall`, or what looks like one.
Call: TypeAlias = Callable[[bytes, Arrival], Awaitable[bytes | Failure]]

DEADLINE_EXCEEDED: Final = Failure(
    Code.DEADLINE_EXCEEDED, "the deadline of the call has passed; try again with a later one", b""
)
_DISCONNECT: Final = "http.disconnect"
_ONE_MESSAGE: Final = "a call of this method carries one message"


class Gone(Exception):
    """The caller has gone; nobody reads an answer."""


def unary_endpoint(call: Call, *, max_message_bytes: int) -> Endpoint:
    """Returns what serves a method with one message each way.

    Args:
        call: Serves the message.
        max_message_bytes: The largest message; beyond it a call ends with RESOURCE_EXHAUSTED.
    """

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        heading = read_heading(scope)
        if not isinstance(heading, Heading):
            await _send_all(send, not_grpc() if heading is None else failure_only(heading))
            return
        seconds = heading.arrival.time_left_seconds
        try:
            event = await receive()
            message = _whole(event, heading, max_message_bytes)
            if message is None:
                message = await _pieces(event, receive, heading, max_message_bytes)
            if seconds is None:
                answer = await call(message, heading.arrival)
            else:
                answer = await _within(seconds, call, message, heading.arrival)
        except BrokenFrame as error:
            answer = error.failure
        except Gone:
            return
        if isinstance(answer, Failure):
            await _send_all(send, failure_only(answer))
        else:
            await _send_answer(send, answer, is_gzip=heading.is_gzip)

    return serve


async def _send_answer(send: Send, answer: bytes, *, is_gzip: bool) -> None:
    body = gzip_frame(answer) if is_gzip else frame(answer)
    await send(GZIP_ANSWER_START if is_gzip else ANSWER_START)
    await send({"type": "http.response.body", "body": body})
    await send(ANSWER_END)


async def _send_all(send: Send, events: tuple[Event, ...]) -> None:
    for event in events:
        await send(event)


def _whole(event: Event, heading: Heading, max_bytes: int) -> bytes | None:
    """Returns the message where the first piece is just that, as nearly always."""
    body: bytes = event.get("body", b"")
    size = len(body) - FRAME_HEADER_BYTES
    if event.get("more_body") or not 0 <= size <= max_bytes:
        return None
    if int.from_bytes(body[1:FRAME_HEADER_BYTES], "big") != size:
        return None
    return plain(body[0], body[FRAME_HEADER_BYTES:], is_gzip=heading.is_gzip, max_bytes=max_bytes)


async def _pieces(event: Event, receive: Receive, heading: Heading, max_bytes: int) -> bytes:
    """Returns the one message of a body that comes in several pieces.

    Raises:
        BrokenFrame: there is none, there are two, or it is broken.
        Gone: the caller went away in the middle of it.
    """
    reader = FrameReader(is_gzip=heading.is_gzip, max_bytes=max_bytes)
    message: bytes | None = None
    while True:
        if event["type"] == _DISCONNECT:
            raise Gone
        reader.feed(event.get("body", b""))
        while (found := reader.next()) is not None:
            if message is not None:
                raise BrokenFrame(Code.UNIMPLEMENTED, _ONE_MESSAGE)
            message = found
        if not event.get("more_body"):
            break
        event = await receive()
    reader.require_end()
    if message is None:
        raise BrokenFrame(Code.UNIMPLEMENTED, _ONE_MESSAGE)
    return message


async def _within(seconds: float, call: Call, message: bytes, arrival: Arrival) -> bytes | Failure:
    """Serves a call, and gives it up at its deadline."""
    task = asyncio.current_task()
    assert task is not None  # noqa: S101 - ASGI calls are tasks; this is for the type checker
    has_passed = False

    def give_up() -> None:
        nonlocal has_passed
        has_passed = True
        task.cancel()

    timer = asyncio.get_running_loop().call_later(seconds, give_up)
    try:
        return await call(message, arrival)
    except asyncio.CancelledError:
        if not has_passed:
            raise
        return DEADLINE_EXCEEDED
    finally:
        timer.cancel()
