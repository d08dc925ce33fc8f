"""Many streams and rude callers cost bounded memory and leave nothing behind."""

import asyncio
import contextlib
import itertools
import struct
import time
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import grpc
import pytest

from fluxrouter.v1 import cap_pb2, router_pb2
from fluxrouter_testing.customers import Connection, connected
from fluxrouter_testing.fleet import Fleet, Server
from fluxrouter_testing.raw_http2 import RawHttp2
from fluxrouter_testing.waiting import eventually_async

Stream: TypeAlias = (
    "grpc.aio.StreamStreamCall[router_pb2.RouteStreamRequest, router_pb2.RouteStreamResponse]"
)

ACCOUNT = "busy"
ROUTE = "/fluxrouter.v1.RouterService/Route"
CONNECTIONS = 1_000
STREAMS = 10  # on each
BYTES_A_STREAM = 60_000  # its tenth of a connection included
FLOOD = 2_000
RESETTERS = 5
HALF_OPEN = 200
SLOW_STREAMS = 20
BYTES_A_SLOW_STREAM = 15_000_000
STOPPED_SECONDS = 1.0  # without anything taken: flow control has stopped everybody

pytestmark = pytest.mark.timeout(180)


def resident_bytes(server: Server) -> int:
    """Memory of the server's workers."""
    pid = server.child.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return sum(
        int(field.split()[1]) * 1024
        for child in children
        if "envoy" in Path(f"/proc/{child}/comm").read_text()
        for field in Path(f"/proc/{child}/status").read_text().splitlines()
        if field.startswith("VmRSS")
    )


def request(name: str) -> router_pb2.RouteRequest:
    return router_pb2.RouteRequest(
        account=ACCOUNT,
        model="flux-fast",
        request_id=name,
        input_tokens=1,
        max_output_tokens=1,
    )


@asynccontextmanager
async def connections(server: Server, count: int) -> AsyncIterator[list[Connection]]:
    async with AsyncExitStack() as stack:
        yield [await stack.enter_async_context(connected(server.address)) for _ in range(count)]


async def is_well(server: Server) -> bool:
    """Whether a new caller is admitted; on a busy machine not at the first try."""
    async with connected(server.address) as connection:
        with contextlib.suppress(grpc.aio.AioRpcError):
            await connection.router.Route(request("after"), timeout=10)
            return True
    return False


async def test_thousands_of_streams_take_little_and_end(fleet: Fleet) -> None:
    server = fleet.servers[0]
    before = resident_bytes(server)

    async def opened(connection: Connection, name: str) -> Stream:
        call = connection.router.RouteStream()
        await call.write(router_pb2.RouteStreamRequest(requests=[request(name)]))
        answer = await call.read()
        assert isinstance(answer, router_pb2.RouteStreamResponse)
        return call

    async with connections(server, CONNECTIONS) as all_of_them:
        calls = []
        for round_number in range(STREAMS):
            calls += await asyncio.gather(
                *(
                    opened(connection, f"{number}-{round_number}")
                    for number, connection in enumerate(all_of_them)
                )
            )
        grown = resident_bytes(server) - before
        for call in calls:
            call.cancel()
    assert grown < CONNECTIONS * STREAMS * BYTES_A_STREAM
    await eventually_async(lambda: is_well(server), timeout_seconds=20)


async def test_a_flood_of_cancelled_calls_leaves_the_server_well(fleet: Fleet) -> None:
    server = fleet.servers[0]
    before = resident_bytes(server)
    async with connections(server, 4) as all_of_them:
        for number in range(FLOOD):
            call = all_of_them[number % 4].router.Route(request(f"flood-{number}"))
            await asyncio.sleep(0)
            call.cancel()
    assert resident_bytes(server) - before < 100_000_000
    await eventually_async(lambda: is_well(server), timeout_seconds=20)
    async with connected(server.address) as connection:
        fleet.clock.advance(3600)

        async def no_hold_is_left() -> bool:
            return (await connection.spend(ACCOUNT)).in_flight == 0

        await eventually_async(no_hold_is_left, timeout_seconds=60)


async def test_a_reader_that_does_not_read_holds_up_nobody_else(fleet: Fleet) -> None:
    server = fleet.servers[0]
    before = resident_bytes(server)
    async with connections(server, 2) as (slow, quick):
        calls = [slow.router.RouteStream() for _ in range(SLOW_STREAMS)]
        sent_at = [time.monotonic()] * SLOW_STREAMS

        async def stuff(call: Stream, number: int) -> None:
            """Sends until flow control stops it, which it must: this never ends by itself."""
            for message in itertools.count():
                requests = [request(f"slow-{number}-{message}-{item}") for item in range(100)]
                await call.write(router_pb2.RouteStreamRequest(requests=requests))
                sent_at[number] = time.monotonic()

        stuffing = [asyncio.create_task(stuff(call, n)) for n, call in enumerate(calls)]
        # What was read before is decided first, for these are admissions like any others: only
        # once nothing is taken any more does a caller who is held up wait for the slow ones.
        await eventually_async(
            lambda: time.monotonic() - max(sent_at) > STOPPED_SECONDS, timeout_seconds=90
        )
        grown = resident_bytes(server) - before

        async def is_admitted() -> bool:
            """As a careful client does, it asks again where a busy machine has no time."""
            with contextlib.suppress(grpc.aio.AioRpcError):
                watch = quick.caps.WatchSpend(
                    cap_pb2.WatchSpendRequest(account=ACCOUNT), timeout=10
                )
                await anext(aiter(watch))
                watch.cancel()
                await quick.router.Route(request("quick"), timeout=10)
                return True
            return False

        await eventually_async(is_admitted, timeout_seconds=40)
        assert not any(task.done() for task in stuffing)
        for task in stuffing:
            task.cancel()
        await asyncio.gather(*stuffing, return_exceptions=True)
        for call in calls:
            call.cancel()
    assert grown < SLOW_STREAMS * BYTES_A_SLOW_STREAM


async def test_calls_that_are_never_finished_take_little_and_hold_nothing(fleet: Fleet) -> None:
    server = fleet.servers[0]
    before = resident_bytes(server)
    callers = [RawHttp2(server.address) for _ in range(HALF_OPEN)]
    for caller in callers:
        for _ in range(STREAMS):
            caller.send(caller.begin(ROUTE), message("never")[:10], is_last=False)
        assert caller.flush()
    await eventually_async(lambda: is_well(server), timeout_seconds=30)
    assert resident_bytes(server) - before < HALF_OPEN * STREAMS * BYTES_A_STREAM
    async with connected(server.address) as connection:
        assert (await connection.spend(ACCOUNT)).in_flight <= 1  # the one that was well
    for caller in callers:
        caller.close()
    await eventually_async(lambda: is_well(server), timeout_seconds=30)


async def test_a_flood_of_resets_leaves_the_server_well_and_no_hold(fleet: Fleet) -> None:
    server = fleet.servers[0]
    before = resident_bytes(server)
    for number in range(RESETTERS):
        caller = RawHttp2(server.address)
        for item in range(FLOOD):
            stream = caller.begin(ROUTE)
            caller.send(stream, message(f"reset-{number}-{item}"), is_last=True)
            caller.reset(stream)
        await asyncio.to_thread(caller.flush)  # the server may hang up in the middle
        caller.close()
    await eventually_async(lambda: is_well(server), timeout_seconds=30)
    assert resident_bytes(server) - before < 100_000_000
    async with connected(server.address) as connection:
        fleet.clock.advance(3600)

        async def no_hold_is_left() -> bool:
            return (await connection.spend(ACCOUNT)).in_flight == 0

        await eventually_async(no_hold_is_left, timeout_seconds=60)


def message(name: str) -> bytes:
    """A request as gRPC frames it."""
    data = request(name).SerializeToString()
    return struct.pack("!BI", 0, len(data)) + data
