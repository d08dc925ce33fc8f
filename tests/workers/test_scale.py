"""Many streams and rude callers cost bounded memory and leave nothing behind."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import TypeAlias

import grpc
import pytest

from fluxrouter.v1 import cap_pb2, router_pb2
from fluxrouter_testing.customers import Connection, connected
from fluxrouter_testing.fleet import Fleet, Server
from fluxrouter_testing.waiting import eventually_async

Stream: TypeAlias = (
    "grpc.aio.StreamStreamCall[router_pb2.RouteStreamRequest, router_pb2.RouteStreamResponse]"
)

ACCOUNT = "busy"
CONNECTIONS = 50
STREAMS = 40  # on each
BYTES_A_STREAM = 100_000
FLOOD = 2_000

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
        calls = [slow.router.RouteStream() for _ in range(20)]

        async def stuff(call: Stream, number: int) -> None:
            """Sends until flow control stops it."""
            for message in range(200):
                requests = [request(f"slow-{number}-{message}-{item}") for item in range(100)]
                await call.write(router_pb2.RouteStreamRequest(requests=requests))

        stuffing = [asyncio.create_task(stuff(call, n)) for n, call in enumerate(calls)]
        watch = quick.caps.WatchSpend(cap_pb2.WatchSpendRequest(account=ACCOUNT), timeout=60)
        await anext(aiter(watch))

        async def is_admitted() -> bool:
            """As a careful client does, it asks again where a busy machine has no time."""
            with contextlib.suppress(grpc.aio.AioRpcError):
                await quick.router.Route(request("quick"), timeout=30)
                return True
            return False

        await eventually_async(is_admitted, timeout_seconds=20)
        grown = resident_bytes(server) - before
        for task in stuffing:
            task.cancel()
        await asyncio.gather(*stuffing, return_exceptions=True)
        for call in calls:
            call.cancel()
    assert grown < 300_000_000
