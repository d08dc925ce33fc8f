"""Envoy workers come and go; callers and counts do not notice more than they must."""

import asyncio
import http.client
import os
import signal
import urllib.request
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import grpc
import pytest

from fluxrouter.v1 import router_pb2
from fluxrouter_testing.customers import Connection, connected
from fluxrouter_testing.fleet import Fleet, Server
from fluxrouter_testing.waiting import eventually_async

ACCOUNT = "busy"
CONNECTIONS = 16
HOLD_SECONDS = 600  # longer than an admission of the plan may live

pytestmark = pytest.mark.timeout(120)


def workers(server: Server) -> set[int]:
    """The Envoy processes of a server."""
    children = Path(f"/proc/{server.child.pid}/task/{server.child.pid}/children").read_text()
    return {pid for pid in map(int, children.split()) if is_envoy(pid)}


def is_envoy(pid: int) -> bool:
    return "envoy" in Path(f"/proc/{pid}/comm").read_text()


def admissions(server: Server) -> int:
    """What the server's one exposition says of all its processes."""
    with urllib.request.urlopen(f"http://{server.metrics_address}/metrics") as answer:
        lines = answer.read().decode().splitlines()
    return sum(
        int(float(line.rpartition(" ")[2]))
        for line in lines
        if line.startswith("fluxrouter_admissions_total{")
    )


class Callers:
    """Call without end; remember what they were told."""

    def __init__(self) -> None:
        self.admitted: list[str] = []
        self.failed: list[grpc.StatusCode] = []
        self.is_over = False

    async def run(self, connection: Connection, number: int) -> None:
        count = 0
        while not self.is_over:
            count += 1
            request = router_pb2.RouteRequest(
                account=ACCOUNT,
                model="flux-fast",
                request_id=f"{number}-{count}",
                input_tokens=10,
                max_output_tokens=10,
            )
            try:
                answer = await connection.router.Route(request, timeout=10, wait_for_ready=True)
            except grpc.aio.AioRpcError as error:
                self.failed.append(error.code())
            else:
                self.admitted.append(answer.hold_id)


@asynccontextmanager
async def calling(address: str) -> AsyncIterator[Callers]:
    """Runs callers, each on a connection of its own, until left."""
    callers = Callers()
    async with AsyncExitStack() as stack:
        connections = [
            await stack.enter_async_context(connected(address)) for _ in range(CONNECTIONS)
        ]
        async with asyncio.TaskGroup() as group:
            for number, connection in enumerate(connections):
                group.create_task(callers.run(connection, number))
            await eventually_async(lambda: len(callers.admitted) > 5 * CONNECTIONS)
            yield callers
            callers.is_over = True


async def test_a_worker_that_is_killed_costs_its_calls_and_is_replaced(fleet: Fleet) -> None:
    server = fleet.servers[0]
    before = workers(server)
    assert len(before) == 2
    async with calling(server.address) as callers:
        killed = min(before)
        os.kill(killed, signal.SIGKILL)
        await eventually_async(lambda: len(workers(server) - {killed}) == 2, timeout_seconds=20)
        seen = len(callers.admitted)
        await eventually_async(lambda: len(callers.admitted) > seen + 5 * CONNECTIONS)
    assert len(callers.failed) <= CONNECTIONS  # one call on each of its connections at most
    assert set(callers.failed) <= {grpc.StatusCode.UNAVAILABLE}


async def test_the_holds_of_a_killed_worker_end_by_their_rule(fleet: Fleet) -> None:
    server = fleet.servers[0]
    async with calling(server.address) as callers:
        os.kill(min(workers(server)), signal.SIGKILL)
        seen = len(callers.admitted)
        await eventually_async(
            lambda: len(callers.admitted) > seen + CONNECTIONS, timeout_seconds=20
        )
    async with connected(server.address) as connection:
        spend = await connection.spend(ACCOUNT)
        assert spend.in_flight >= len(callers.admitted)  # some were admitted and never answered
        fleet.clock.advance(HOLD_SECONDS)

        async def all_ended() -> bool:
            return (await connection.spend(ACCOUNT)).in_flight == 0

        await eventually_async(all_ended, timeout_seconds=20)


async def test_counts_outlive_the_worker_that_made_them(fleet: Fleet) -> None:
    server = fleet.servers[0]
    async with calling(server.address):
        pass
    before = admissions(server)
    assert before > 0
    killed = workers(server)
    for pid in killed:
        os.kill(pid, signal.SIGKILL)
    await eventually_async(lambda: len(workers(server) - killed) == 2, timeout_seconds=20)
    assert admissions(server) == before


async def test_a_restart_fails_no_call_on_a_port_that_two_servers_share(fleet: Fleet) -> None:
    address = fleet.start_server("--reuse-port").address
    following = fleet.start_server("--reuse-port", "--listen", address)
    leaving = fleet.servers[1]
    async with calling(address) as callers:
        leaving.child.signal(signal.SIGTERM)
        assert await asyncio.to_thread(leaving.child.process.wait, 30) == 0
        seen = len(callers.admitted)
        await eventually_async(lambda: len(callers.admitted) > seen + 5 * CONNECTIONS)
    assert callers.failed == []
    assert following.child.process.poll() is None


async def test_callers_are_sent_away_with_an_answer_before_the_server_ends(fleet: Fleet) -> None:
    server = fleet.start_server("--drain-pause-seconds", "600")
    host, _, port = server.address.rpartition(":")
    connection = http.client.HTTPConnection(host, int(port), timeout=10)

    def is_sent_away() -> bool:
        connection.request("GET", "/nowhere")
        answer = connection.getresponse()
        answer.read()
        return answer.will_close

    assert not is_sent_away()
    server.child.signal(signal.SIGTERM)
    await eventually_async(is_sent_away, timeout_seconds=20)
    connection.close()


async def test_an_idle_connection_does_not_keep_a_server(fleet: Fleet) -> None:
    server = fleet.servers[0]
    async with connected(server.address) as connection:
        await connection.spend(ACCOUNT)
        server.child.signal(signal.SIGTERM)
        assert await asyncio.to_thread(server.child.process.wait, 10) == 0
