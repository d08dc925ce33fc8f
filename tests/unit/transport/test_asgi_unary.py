"""Calls with one message each way, as ASGI sees them."""

import asyncio
import gzip
from base64 import b64decode

import pytest

from fluxrouter_server.api.error_table import Code
from fluxrouter_server.api.status_details import Failure
from fluxrouter_server.transport.asgi_framing import frame
from fluxrouter_server.transport.asgi_types import Event
from fluxrouter_server.transport.asgi_unary import Call, unary_endpoint
from fluxrouter_server.transport.call_entry import Arrival
from fluxrouter_testing.asgi import Exchange, piece

MAX_BYTES = 1000


async def echo(message: bytes, _: Arrival) -> bytes | Failure:
    return b"re: " + message


async def exchange(*events: Event, call: Call = echo, **headers: str) -> Exchange:
    made = Exchange(events, headers)
    await unary_endpoint(call, max_message_bytes=MAX_BYTES)(made.scope, made.receive, made.send)
    return made


async def test_a_message_is_answered_and_the_status_follows() -> None:
    made = await exchange(piece(frame(b"hello")))
    assert made.messages == [b"re: hello"]
    assert made.trailers == {"grpc-status": "0"}
    assert made.headers["content-type"] == "application/grpc"


async def test_a_second_message_is_refused_however_late_it_comes() -> None:
    made = await exchange(piece(frame(b"one"), more=True), piece(frame(b"two")))
    assert made.status is Code.UNIMPLEMENTED


@pytest.mark.parametrize("size", [1, 3, 5, 6, 100])
async def test_a_message_in_pieces_is_put_together(size: int) -> None:
    whole = frame(b"a message of some length")
    pieces = [whole[start : start + size] for start in range(0, len(whole), size)]
    made = await exchange(*(piece(part, more=True) for part in pieces), piece(b""))
    assert made.messages == [b"re: a message of some length"]


async def test_an_empty_message_is_a_message() -> None:
    made = await exchange(piece(frame(b"")))
    assert made.messages == [b"re: "]


@pytest.mark.parametrize("body", [b"", frame(b"one") + frame(b"two")])
async def test_no_message_and_two_are_refused(body: bytes) -> None:
    made = await exchange(piece(body))
    assert made.status is Code.UNIMPLEMENTED
    assert made.is_trailers_only


async def test_a_body_that_ends_within_a_message_is_refused() -> None:
    made = await exchange(piece(frame(b"hello")[:-1]))
    assert made.status is Code.INTERNAL


async def test_a_message_that_says_that_it_is_too_large_is_not_waited_for() -> None:
    made = await exchange(piece(frame(b"x" * (MAX_BYTES + 1))[:10], more=True))
    assert made.status is Code.RESOURCE_EXHAUSTED


async def test_gzip_is_understood_and_answered_in_kind() -> None:
    packed = gzip.compress(b"hello")
    body = b"\1" + len(packed).to_bytes(4, "big") + packed
    made = await exchange(piece(body), grpc_encoding="gzip")
    assert made.headers["grpc-encoding"] == "gzip"
    assert [gzip.decompress(message) for message in made.messages] == [b"re: hello"]


async def test_a_small_frame_with_a_huge_message_in_it_is_refused() -> None:
    packed = gzip.compress(b"x" * 100 * MAX_BYTES)
    assert len(packed) < MAX_BYTES
    body = b"\1" + len(packed).to_bytes(4, "big") + packed
    made = await exchange(piece(body), grpc_encoding="gzip")
    assert made.status is Code.RESOURCE_EXHAUSTED


async def test_a_frame_that_says_it_is_compressed_needs_an_encoding() -> None:
    made = await exchange(piece(b"\1" + frame(b"hello")[1:]))
    assert made.status is Code.INTERNAL


async def test_an_unknown_encoding_is_answered_with_those_that_are_known() -> None:
    made = await exchange(piece(frame(b"hello")), grpc_encoding="snappy")
    assert made.status is Code.UNIMPLEMENTED
    assert made.headers["grpc-accept-encoding"] == "identity,gzip"


async def test_a_failure_is_one_set_of_headers_with_its_details() -> None:
    async def refuse(_: bytes, __: Arrival) -> bytes | Failure:
        return Failure(Code.NOT_FOUND, "no such thing: 100 % gone – sorry\n", b"\1\2\3\4")

    made = await exchange(piece(frame(b"")), call=refuse)
    assert made.is_trailers_only
    assert made.status is Code.NOT_FOUND
    assert made.headers["grpc-message"] == "no such thing: 100 %25 gone %E2%80%93 sorry%0A"
    assert b64decode(made.headers["grpc-status-details-bin"] + "==") == b"\1\2\3\4"


@pytest.mark.parametrize("kind", ["application/json", "application/grpc+json", "text/html"])
async def test_what_is_no_grpc_is_told_so(kind: str) -> None:
    made = await exchange(piece(b"{}"), content_type=kind)
    assert made.http_status == 415


async def test_a_call_that_is_no_post_is_told_so() -> None:
    made = Exchange([piece(frame(b"hello"))], {})
    made.scope["method"] = "GET"
    await unary_endpoint(echo, max_message_bytes=MAX_BYTES)(made.scope, made.receive, made.send)
    assert made.http_status == 415


@pytest.mark.parametrize(
    "patience, seconds",
    [("2H", 7200.0), ("3M", 180.0), ("5S", 5.0), ("250m", 0.25), ("99999999u", 99.999999)],
)
async def test_the_callers_patience_is_passed_on(patience: str, seconds: float) -> None:
    seen = []

    async def look(message: bytes, arrival: Arrival) -> bytes | Failure:
        seen.append(arrival.time_left_seconds)
        return message

    await exchange(piece(frame(b"")), call=look, grpc_timeout=patience)
    assert seen == [pytest.approx(seconds)]


@pytest.mark.parametrize("patience", ["", "5", "5s", "-1S", "1.5S", "123456789S"])
async def test_a_malformed_timeout_is_refused(patience: str) -> None:
    made = await exchange(piece(frame(b"")), grpc_timeout=patience)
    assert made.status is Code.INTERNAL


async def test_a_call_ends_at_its_deadline() -> None:
    cancelled = []

    async def hang(message: bytes, _: Arrival) -> bytes | Failure:
        try:
            await asyncio.Event().wait()
        except asyncio.CancelledError:
            cancelled.append(True)
            raise
        return message

    made = await exchange(piece(frame(b"")), call=hang, grpc_timeout="20m")
    assert made.status is Code.DEADLINE_EXCEEDED
    assert cancelled == [True]


async def test_a_cancellation_from_outside_is_no_deadline() -> None:
    async def hang(message: bytes, _: Arrival) -> bytes | Failure:
        await asyncio.Event().wait()
        return message

    serving = asyncio.ensure_future(exchange(piece(frame(b"")), call=hang, grpc_timeout="5S"))
    await asyncio.sleep(0)
    serving.cancel()
    with pytest.raises(asyncio.CancelledError):
        await serving


async def test_a_caller_that_goes_away_while_it_sends_gets_no_answer() -> None:
    made = await exchange(piece(frame(b"hello")[:6], more=True), {"type": "http.disconnect"})
    assert made.sent == []


async def test_credentials_and_the_calls_name_are_passed_on() -> None:
    seen = []

    async def look(message: bytes, arrival: Arrival) -> bytes | Failure:
        seen.append((arrival.authorization, arrival.request_id))
        return message

    await exchange(piece(frame(b"")), call=look, authorization="Bearer a", x_request_id="r-1")
    assert seen == [("Bearer a", "r-1")]
