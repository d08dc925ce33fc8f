"""Calls with a stream of answers, and perhaps of messages, as plain ASGI.

A stream may last for hours and cost nothing while it is silent, so what a decision cannot afford is
done here: a deadline, answers held back while the caller does not read (Envoy resolves a send only
when there is room), and a look now and then whether the caller is there still. The look is needed
because Envoy tells of a caller's end only to who asks for more of its messages.
"""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any, Final, TypeAlias

from fluxrouter_server.api.error_table import Code
from fluxrouter_server.api.status_details import Failure
from fluxrouter_server.transport.asgi_framing import (
    BrokenFrame,
    FrameReader,
    frame,
    gzip_frame,
)
from fluxrouter_server.transport.asgi_headers import (
    ANSWER_END,
    ANSWER_START,
    GZIP_ANSWER_START,
    Heading,
    failure_only,
    failure_trailers,
    not_grpc,
    read_heading,
)
from fluxrouter_server.transport.asgi_types import Endpoint, Event, Receive, Scope, Send
from fluxrouter_server.transport.asgi_unary import DEADLINE_EXCEEDED
from fluxrouter_server.transport.call_entry import Arrival

__all__ = ["LOOK_SECONDS", "duplex_endpoint", "stream_endpoint"]

Answers: TypeAlias = AsyncIterator[bytes | Failure]
#: A `StreamCall`: one message, answers.
StreamCallable: TypeAlias = Callable[[bytes, Arrival], Answers]
#: Messages, answers.
DuplexCallable: TypeAlias = Callable[["Messages", Arrival], Answers]

#: A caller that went away while its stream was silent is noticed so soon. Ten thousand silent
#: streams cost about 5% of a core at this pace.
LOOK_SECONDS: Final = 5.0

_DISCONNECT: Final = "http.disconnect"
_ONE_MESSAGE: Final = "a call of this method carries one message"
_BODY_END: Final[Event] = {"type": "http.response.body", "body": b""}


class Messages:
    """The messages of one call, in order, as they come.

    Attributes:
        all_read: Set once the caller is known to have gone or to have sent its last message.
        is_gone: Whether the caller is known to have gone.
        failure: Why iterating ended early: the body is broken.
    """

    def __init__(self, receive: Receive, heading: Heading, max_message_bytes: int) -> None:
        self._receive = receive
        self._reader = FrameReader(is_gzip=heading.is_gzip, max_bytes=max_message_bytes)
        self._has_ended = False
        self.all_read = asyncio.Event()
        self.is_gone = False
        self.failure: Failure | None = None

    def __aiter__(self) -> "Messages":
        return self

    async def __anext__(self) -> bytes:
        try:
            while (message := self._reader.next()) is None:
                if self._has_ended:
                    self._reader.require_end()
                    raise StopAsyncIteration
                await self._receive_piece()
        except BrokenFrame as error:
            self.failure = error.failure
            self.all_read.set()
            raise StopAsyncIteration from error
        return message

    async def _receive_piece(self) -> None:
        event = await self._receive()
        if event["type"] == _DISCONNECT:
            self.is_gone = self._has_ended = True
        else:
            self._reader.feed(event.get("body", b""))
            self._has_ended = not event.get("more_body", False)
        if self._has_ended:
            self.all_read.set()

    async def until_gone(self) -> None:
        """Returns when the caller has gone; looks only after its last message was read."""
        await self.all_read.wait()
        while not self.is_gone:
            await asyncio.sleep(LOOK_SECONDS)
            self.is_gone = (await self._receive())["type"] == _DISCONNECT


def stream_endpoint(call: StreamCallable, *, max_message_bytes: int) -> Endpoint:
    """Returns what serves a method with one message in and a stream out."""

    async def answer(messages: Messages, arrival: Arrival) -> AsyncGenerator[bytes | Failure, None]:
        found = [message async for message in messages]
        if messages.failure is not None:
            return
        if len(found) != 1:
            yield Failure(Code.UNIMPLEMENTED, _ONE_MESSAGE, b"")
            return
        async for item in call(found[0], arrival):
            yield item

    return duplex_endpoint(answer, max_message_bytes=max_message_bytes)


def duplex_endpoint(call: DuplexCallable, *, max_message_bytes: int) -> Endpoint:
    """Returns what serves a method with streams both ways.

    Args:
        call: Serves the messages; a `Failure` is its last item.
        max_message_bytes: The largest message; beyond it a call ends with RESOURCE_EXHAUSTED.
    """

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        heading = read_heading(scope)
        if not isinstance(heading, Heading):
            for event in not_grpc() if heading is None else failure_only(heading):
                await send(event)
            return
        messages = Messages(receive, heading, max_message_bytes)
        answers = _Answers(send, is_gzip=heading.is_gzip)
        serving = asyncio.create_task(_serve(call, messages, heading.arrival, answers))
        watching = asyncio.create_task(messages.until_gone())
        try:
            await asyncio.wait(
                (serving, watching),
                timeout=heading.arrival.time_left_seconds,
                return_when=asyncio.FIRST_COMPLETED,
            )
            is_late = not serving.done() and not watching.done()
        finally:
            await _end(serving, watching)
        if is_late:
            await answers.end(DEADLINE_EXCEEDED)
        elif not serving.cancelled():
            await answers.end(serving.result())

    return serve


class _Answers:
    """Writes answers, and the end of the call in the form that what went before asks for."""

    def __init__(self, send: Send, *, is_gzip: bool) -> None:
        self._send = send
        self._is_gzip = is_gzip
        self._has_begun = False

    async def write(self, answer: bytes) -> None:
        """Writes one; returns when the caller, or the buffers on the way to it, have room."""
        await self._begin()
        body = gzip_frame(answer) if self._is_gzip else frame(answer)
        await self._send({"type": "http.response.body", "body": body, "more_body": True})

    async def end(self, failure: Failure | None) -> None:
        """Ends the call; None: well."""
        if failure is not None and not self._has_begun:
            for event in failure_only(failure):
                await self._send(event)
            return
        await self._begin()
        await self._send(_BODY_END)
        await self._send(ANSWER_END if failure is None else failure_trailers(failure))

    async def _begin(self) -> None:
        if not self._has_begun:
            self._has_begun = True
            await self._send(GZIP_ANSWER_START if self._is_gzip else ANSWER_START)


async def _serve(
    call: DuplexCallable, messages: Messages, arrival: Arrival, answers: _Answers
) -> Failure | None:
    """Writes all answers; returns how the call failed, None where it did not."""
    async with aclosing(_closeable(call(messages, arrival))) as items:
        async for item in items:
            if isinstance(item, Failure):
                return item
            await answers.write(item)
    return messages.failure


async def _closeable(items: Answers) -> AsyncGenerator[bytes | Failure, None]:
    async for item in items:
        yield item


async def _end(*tasks: "asyncio.Task[Any]") -> None:
    for task in tasks:
        task.cancel()
    await asyncio.wait(tasks)
