"""Calls with streams, as ASGI sees them."""

import asyncio
from collections.abc import AsyncIterator

import pytest

from fluxrouter_server.api.error_table import Code
from fluxrouter_server.api.status_details import Failure
from fluxrouter_server.transport import asgi_stream
from fluxrouter_server.transport.asgi_framing import frame
from fluxrouter_server.transport.asgi_stream import Messages, duplex_endpoint, stream_endpoint
from fluxrouter_server.transport.asgi_types import Endpoint
from fluxrouter_server.transport.call_entry import Arrival
from fluxrouter_testing.asgi import Exchange, piece

MAX_BYTES = 1000


async def count_down(message: bytes, _: Arrival) -> AsyncIterator[bytes | Failure]:
    for number in range(int(message), 0, -1):
        yield str(number).encode()


async def echo(messages: Messages, _: Arrival) -> AsyncIterator[bytes | Failure]:
    async for message in messages:
        yield b"re: " + message


async def serve(endpoint: Endpoint, made: Exchange) -> Exchange:
    await endpoint(made.scope, made.receive, made.send)
    return made


async def test_one_message_is_answered_with_a_stream() -> None:
    endpoint = stream_endpoint(count_down, max_message_bytes=MAX_BYTES)
    made = await serve(endpoint, Exchange([piece(frame(b"3"))], {}))
    assert made.messages == [b"3", b"2", b"1"]
    assert made.trailers == {"grpc-status": "0"}


async def test_an_empty_stream_ends_well() -> None:
    endpoint = stream_endpoint(count_down, max_message_bytes=MAX_BYTES)
    made = await serve(endpoint, Exchange([piece(frame(b"0"))], {}))
    assert made.messages == []
    assert made.status is Code.OK


async def test_a_stream_of_answers_takes_one_message() -> None:
    endpoint = stream_endpoint(count_down, max_message_bytes=MAX_BYTES)
    made = await serve(endpoint, Exchange([piece(frame(b"1") + frame(b"2"))], {}))
    assert made.status is Code.UNIMPLEMENTED


async def test_messages_are_answered_as_they_come() -> None:
    endpoint = duplex_endpoint(echo, max_message_bytes=MAX_BYTES)
    whole = frame(b"one") + frame(b"two") + frame(b"three")
    pieces = [piece(whole[:4], more=True), piece(whole[4:12], more=True), piece(whole[12:])]
    made = await serve(endpoint, Exchange(pieces, {}))
    assert made.messages == [b"re: one", b"re: two", b"re: three"]


async def test_a_failure_after_answers_is_in_the_trailers() -> None:
    async def fail(messages: Messages, _: Arrival) -> AsyncIterator[bytes | Failure]:
        async for message in messages:
            yield message
        yield Failure(Code.NOT_FOUND, "gone", b"")

    endpoint = duplex_endpoint(fail, max_message_bytes=MAX_BYTES)
    made = await serve(endpoint, Exchange([piece(frame(b"one"))], {}))
    assert made.messages == [b"one"]
    assert made.status is Code.NOT_FOUND
    assert made.trailers["grpc-message"] == "gone"


async def test_a_failure_before_any_answer_is_one_set_of_headers() -> None:
    async def fail(_: Messages, __: Arrival) -> AsyncIterator[bytes | Failure]:
        yield Failure(Code.NOT_FOUND, "gone", b"")

    endpoint = duplex_endpoint(fail, max_message_bytes=MAX_BYTES)
    made = await serve(endpoint, Exchange([piece(frame(b"one"))], {}))
    assert made.is_trailers_only
    assert made.status is Code.NOT_FOUND


async def test_a_broken_body_ends_the_stream_with_a_status() -> None:
    endpoint = duplex_endpoint(echo, max_message_bytes=MAX_BYTES)
    made = await serve(endpoint, Exchange([piece(frame(b"one") + frame(b"two")[:-1])], {}))
    assert made.messages == [b"re: one"]
    assert made.status is Code.INTERNAL


class Silent:
    """A stream that says one thing and then nothing; knows whether it was ended."""

    def __init__(self) -> None:
        self.has_begun = asyncio.Event()
        self.was_ended = False

    async def __call__(self, _: bytes, __: Arrival) -> AsyncIterator[bytes | Failure]:
        try:
            yield b"one"
            self.has_begun.set()
            await asyncio.Event().wait()
        finally:
            self.was_ended = True


async def test_a_silent_stream_whose_caller_has_gone_is_ended(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(asgi_stream, "LOOK_SECONDS", 0.01)
    silent = Silent()
    endpoint = stream_endpoint(silent, max_message_bytes=MAX_BYTES)
    made = Exchange([piece(frame(b""))], {})
    serving = asyncio.ensure_future(serve(endpoint, made))
    await silent.has_begun.wait()
    made.is_gone.set()
    await asyncio.wait_for(serving, 5)
    assert silent.was_ended


async def test_a_stream_ends_at_its_deadline() -> None:
    silent = Silent()
    endpoint = stream_endpoint(silent, max_message_bytes=MAX_BYTES)
    made = await serve(endpoint, Exchange([piece(frame(b""))], {"grpc_timeout": "50m"}))
    assert made.messages == [b"one"]
    assert made.status is Code.DEADLINE_EXCEEDED
    assert silent.was_ended


async def test_a_stream_that_cannot_be_written_is_ended() -> None:
    silent = Silent()
    endpoint = stream_endpoint(silent, max_message_bytes=MAX_BYTES)
    made = Exchange([piece(frame(b""))], {})
    made.is_gone.set()
    with pytest.raises(ConnectionResetError):
        await serve(endpoint, made)
    assert silent.was_ended
