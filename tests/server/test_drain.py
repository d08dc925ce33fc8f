"""The end of a server: no request that was admitted loses its answer."""

import asyncio
import signal
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from dataclasses import dataclass, field

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from fluxrouter.v1 import cap_pb2, control_pb2, router_pb2
from fluxrouter_testing.customers import Connection, account, connected, plan
from fluxrouter_testing.fleet import Fleet, Server, running_fleet
from fluxrouter_testing.waiting import eventually_async

CLIENTS = 32
NOT_SERVING = health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture
def pair() -> Iterator[Fleet]:
    """Two servers on one store: one to be ended, one to ask afterwards."""
    with running_fleet(servers=2, options=("--drain-grace-seconds", "10")) as fleet:
        yield fleet


@pytest.fixture
async def witness(pair: Fleet, catalog: list[control_pb2.Resource]) -> AsyncIterator[Connection]:
    """A connection to the server that stays, with an account to route for."""
    async with connected(pair.servers[1].address) as connection:
        rich = plan("rich", "1000.00")
        await connection.apply(*catalog, rich, account("caller", "rich"))
        yield connection


@dataclass
class Callers:
    """Clients that route as fast as they are answered, without any retry of theirs or grpc's.

    Attributes:
        admitted: Ids of holds that were answered.
        failed: Statuses of the others.
    """

    admitted: list[str] = field(default_factory=list)
    failed: list[grpc.StatusCode] = field(default_factory=list)

    async def route_until_refused(self, connection: Connection) -> None:
        request = router_pb2.RouteRequest(
            account="caller", model="flux-fast", input_tokens=10, max_output_tokens=10
        )
        while not self.failed:
            try:
                answer = await connection.router.Route(request, timeout=10)
            except grpc.aio.AioRpcError as error:
                self.failed.append(error.code())
            else:
                self.admitted.append(answer.hold_id)


async def end(server: Server) -> int:
    server.child.signal(signal.SIGTERM)
    return await asyncio.to_thread(server.child.process.wait, 20)


async def test_every_request_that_was_admitted_got_its_answer(
    pair: Fleet, witness: Connection
) -> None:
    callers = Callers()
    async with AsyncExitStack() as stack:
        connections = [
            await stack.enter_async_context(connected(pair.servers[0].address))
            for _ in range(CLIENTS)
        ]
        async with asyncio.TaskGroup() as group:
            for connection in connections:
                group.create_task(callers.route_until_refused(connection))
            await eventually_async(lambda: len(callers.admitted) > 10 * CLIENTS)
            assert await end(pair.servers[0]) == 0
    # A call that reaches the server between its last look and its farewell is CANCELLED by grpc.
    assert set(callers.failed) <= {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED}
    assert len(set(callers.admitted)) == len(callers.admitted)
    spend = await witness.spend("caller")
    assert spend.in_flight == len(callers.admitted)


async def test_a_server_that_drains_says_so_and_still_answers(pair: Fleet) -> None:
    server = pair.start_server("--drain-pause-seconds", "2")
    async with connected(server.address) as connection:
        watch = health_pb2_grpc.HealthStub(connection.channel).Watch(  # type: ignore[arg-type]
            health_pb2.HealthCheckRequest(), timeout=10
        )
        states = aiter(watch)  # type: ignore[arg-type]
        await anext(states)
        server.child.signal(signal.SIGTERM)
        assert (await anext(states)).status == NOT_SERVING
        request = control_pb2.ListRequest(kind=control_pb2.RESOURCE_KIND_PLAN)
        assert (await connection.control.List(request, timeout=5)) is not None
        assert [state async for state in states] == []  # it ends, so it does not keep the server
    assert await asyncio.to_thread(server.child.process.wait, 10) == 0


async def test_a_stream_ends_well_with_its_server(pair: Fleet, witness: Connection) -> None:
    async with connected(pair.servers[0].address) as connection:
        request = cap_pb2.WatchSpendRequest(account="caller")
        call = connection.caps.WatchSpend(request, timeout=30)
        answers = aiter(call)
        await anext(answers)
        code = await end(pair.servers[0])
        assert [answer async for answer in answers] == []
        assert await call.code() is grpc.StatusCode.OK
        assert code == 0
    assert (await witness.spend("caller")).in_flight == 0


async def test_a_second_signal_ends_the_server_at_once(pair: Fleet) -> None:
    server = pair.start_server("--drain-pause-seconds", "600")
    server.child.signal(signal.SIGINT)
    async with connected(server.address) as connection:
        stub = health_pb2_grpc.HealthStub(connection.channel)  # type: ignore[arg-type]
        states = aiter(stub.Watch(health_pb2.HealthCheckRequest(), timeout=10))  # type: ignore[arg-type]
        while (await anext(states)).status != NOT_SERVING:
            pass
    server.child.signal(signal.SIGINT)
    assert await asyncio.to_thread(server.child.process.wait, 10) == 0


async def test_a_ready_file_is_taken_back_at_the_end(pair: Fleet) -> None:
    ready = pair.folder / "server-0.json"
    assert ready.exists()
    await end(pair.servers[0])
    assert not ready.exists()
