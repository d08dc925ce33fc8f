"""Worker, server, store and database are killed in turn under load; not a nano-dollar is lost.

`FLUXROUTER_FAULT_ROUNDS` says how often; `make test-faults` makes it 200.
"""

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from itertools import count
from pathlib import Path
from typing import TypeVar

import grpc
import pytest

from fluxrouter.v1 import metering_pb2, router_pb2, usage_pb2
from fluxrouter_server.cli.resource_files import read_resources
from fluxrouter_testing.customers import Connection, account, connected, plan
from fluxrouter_testing.fleet import Fleet, running_fleet
from fluxrouter_testing.postgres import ThrowawayPostgres, running_postgres
from fluxrouter_testing.waiting import eventually_async

ROOT = Path(__file__).resolve().parents[2]
ROUNDS = int(os.environ.get("FLUXROUTER_FAULT_ROUNDS", "4"))
CLIENTS = 4
PURCHASES = 6
"""Of each client in each round."""

PATIENCE_SECONDS = 60.0
RETRY_SECONDS = 0.05
HOLD_SECONDS = 600  # longer than any outage here, so that no hold expires

T = TypeVar("T")

_numbers = count(1)


class World:
    """A durable store, a durable PostgreSQL and a server that may be replaced."""

    def __init__(self, fleet: Fleet, postgres: ThrowawayPostgres, options: tuple[str, ...]) -> None:
        self.fleet = fleet
        self.postgres = postgres
        self.options = options
        self.told_nano_usd = 0

    def kill_worker(self) -> None:
        """Ends the ledger's worker; its server starts another."""
        tasks = Path(f"/proc/{self.fleet.servers[-1].child.pid}/task")
        pids = [pid for task in tasks.iterdir() for pid in (task / "children").read_text().split()]
        for pid in pids:
            if b"ledger_process" in Path(f"/proc/{pid}/cmdline").read_bytes():
                os.kill(int(pid), signal.SIGKILL)

    def kill_server(self) -> None:
        """Ends the server and starts another in its place."""
        self.fleet.servers[-1].child.kill()
        self.fleet.start_server(*self.options)

    def kill_store(self) -> None:
        """Ends Valkey and starts it on its append-only file."""
        self.fleet.store.kill()
        self.fleet.store.start()

    def kill_database(self) -> None:
        """Ends PostgreSQL and starts it on its log."""
        self.postgres.kill()
        self.postgres.start()

    async def buy(self, number: int) -> None:
        """Buys one request, whatever it takes, under ids that stay the same."""
        route = router_pb2.RouteRequest(
            account="buyer",
            model="flux-fast",
            input_tokens=1000,
            max_output_tokens=100,
            request_id=f"purchase-{number}",
        )
        hold = await self._until_answered(lambda on: on.router.Route(route, timeout=2))
        usage = metering_pb2.Usage(input_tokens=1000, output_tokens=50 + number % 7)
        settle = metering_pb2.SettleRequest(hold_id=hold.hold_id, usage=usage)
        answer = await self._until_answered(lambda on: on.metering.Settle(settle, timeout=2))
        self.told_nano_usd += answer.receipt.billed_nano_usd

    async def _until_answered(self, call: Callable[[Connection], Awaitable[T]]) -> T:
        """Repeats a call while the answer is that there is none."""
        while True:
            async with connected(self.fleet.servers[-1].address) as connection:
                try:
                    return await call(connection)
                except grpc.aio.AioRpcError as error:
                    if error.code() not in _NO_ANSWER:
                        raise
            await asyncio.sleep(RETRY_SECONDS)


_NO_ANSWER = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.DEADLINE_EXCEEDED,
    grpc.StatusCode.CANCELLED,
}


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        postgres = stack.enter_context(running_postgres(durable=True))
        url = postgres.url.set(drivername="postgresql")
        options = ("--ledger-url", url.render_as_string())
        fleet = stack.enter_context(running_fleet(servers=1, options=options))
        catalog = read_resources([str(ROOT / "examples" / "resources" / "catalog.yaml")])
        async with connected(fleet.servers[0].address) as connection:
            buyer_plan = plan("buyers", "9000.00", expiry_seconds=HOLD_SECONDS)
            await connection.apply(*catalog, buyer_plan, account("buyer", "buyers"))
        yield World(fleet, postgres, options)


@pytest.mark.timeout(120 + 30 * ROUNDS)
async def test_ledger_counters_and_what_clients_were_told_are_equal(world: World) -> None:
    faults = (world.kill_worker, world.kill_server, world.kill_store, world.kill_database)
    for number in range(ROUNDS):
        async with asyncio.TaskGroup() as group:
            for _ in range(CLIENTS):
                group.create_task(_buy_some(world))
            await asyncio.sleep(0.1)  # some purchases are under way
            fault = faults[number % len(faults)]
            if fault == world.kill_store:
                fault()  # in a thread the store gets a guard, and only that would be killed
            else:
                await asyncio.to_thread(fault)
    bought = ROUNDS * CLIENTS * PURCHASES
    async with connected(world.fleet.servers[-1].address) as connection:
        await eventually_async(
            lambda: _has_arrived(connection, bought), timeout_seconds=PATIENCE_SECONDS
        )
        spend = await connection.spend("buyer")
        used = await connection.usage.GetUsage(usage_pb2.GetUsageRequest(account="buyer"))
        check = connection.usage.CheckLedger(usage_pb2.CheckLedgerRequest())
        drifts = [drift async for part in check for drift in part.drifts]
    assert used.total.requests == bought
    assert used.total.billed_nano_usd == spend.settled_nano_usd == world.told_nano_usd
    assert (spend.held_nano_usd, drifts) == (0, [])


async def _buy_some(world: World) -> None:
    for _ in range(PURCHASES):
        await world.buy(next(_numbers))


async def _has_arrived(connection: Connection, bought: int) -> bool:
    try:
        used = await connection.usage.GetUsage(usage_pb2.GetUsageRequest(account="buyer"))
    except grpc.aio.AioRpcError as error:
        return error.code() not in _NO_ANSWER
    return used.total.requests >= bought
