"""CAP, ONCE and NO LEAK: four servers and 64 clients race for one dollar."""

import asyncio
import contextlib
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import pytest

from fluxrouter_testing.customers import (
    Account,
    Connection,
    Customer,
    account,
    connected,
    plan,
)
from fluxrouter_testing.fleet import Fleet
from fluxrouter_testing.waiting import eventually_async

ONE_DOLLAR = 1_000_000_000
USABLE = ONE_DOLLAR * 995 // 1000
CLIENTS = 64
DENIALS = 12  # in a row, each for half of the one before, before a client gives up
EXPIRY_SECONDS = 3
SWEEP_SECONDS = 2.0  # what NO LEAK promises

pytestmark = pytest.mark.timeout(120)


@asynccontextmanager
async def customers(fleet: Fleet, told: Account) -> AsyncIterator[list[Customer]]:
    """Yields 64 customers, each with its own connection, spread over the servers."""
    addresses = [server.address for server in fleet.servers]
    async with AsyncExitStack() as stack:
        made = []
        for number in range(CLIENTS):
            first = number % len(addresses)
            mine = [
                await stack.enter_async_context(connected(address))
                for address in addresses[first:] + addresses[:first]
            ]
            made.append(Customer(number, told, mine[0], mine[1:]))
        yield made


async def watch_cap(server: Connection, name: str, seen: list[int]) -> None:
    """Reads the counters again and again; remembers settled + held of every reading."""
    while True:
        spend = await server.spend(name)
        seen.append(spend.settled_nano_usd + spend.held_nano_usd)


async def race(fleet: Fleet, servers: list[Connection], told: Account) -> list[int]:
    """Lets 64 customers spend until they are denied; returns what an observer saw meanwhile."""
    seen: list[int] = []
    observer = asyncio.create_task(watch_cap(servers[-1], told.name, seen))
    async with customers(fleet, told) as everybody, asyncio.TaskGroup() as group:
        for customer in everybody:
            group.create_task(customer.spend_until_denied(DENIALS))
    observer.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await observer
    return seen


async def test_four_servers_spend_one_dollar_and_never_more(
    fleet: Fleet, servers: list[Connection]
) -> None:
    await servers[0].apply(plan("dollar", "1.00"), account("racer", "dollar"))
    told = Account("racer")

    seen = await race(fleet, servers, told)

    spend = await servers[1].spend("racer")
    assert len(seen) > 10
    assert max(seen) <= ONE_DOLLAR
    assert spend.held_nano_usd == 0
    assert spend.settled_nano_usd == told.billed_nano_usd
    assert USABLE <= spend.settled_nano_usd <= ONE_DOLLAR
    assert len(set(told.admitted)) == len(told.admitted)


async def test_a_killed_server_loses_nothing_and_doubles_nothing(
    fleet: Fleet, servers: list[Connection]
) -> None:
    await servers[0].apply(
        plan("dollar", "1.00", expiry_seconds=EXPIRY_SECONDS), account("racer", "dollar")
    )
    told = Account("racer")
    async with connected(fleet.servers[0].address) as doomed:
        dying = Customer(CLIENTS, told, doomed, [])
        await asyncio.gather(*(dying.abandon() for _ in range(10)))
    kill = asyncio.create_task(kill_half_way(fleet, servers[2], "racer"))

    seen = await race(fleet, servers, told)

    await kill
    await eventually_async(
        lambda: nothing_is_held(servers[1], "racer"), EXPIRY_SECONDS + SWEEP_SECONDS
    )
    spend = await servers[1].spend("racer")
    assert max(seen) <= ONE_DOLLAR
    assert spend.settled_nano_usd == told.billed_nano_usd + sum(told.abandoned.values())
    assert USABLE <= spend.settled_nano_usd <= ONE_DOLLAR


async def kill_half_way(fleet: Fleet, server: Connection, name: str) -> None:
    """Kills the first server by SIGKILL once half of the dollar is settled."""

    async def is_half_spent() -> bool:
        return (await server.spend(name)).settled_nano_usd > ONE_DOLLAR // 2

    await eventually_async(is_half_spent, 60)
    fleet.servers[0].child.kill()


async def nothing_is_held(server: Connection, name: str) -> bool:
    """Whether every hold of the account has ended."""
    return (await server.spend(name)).held_nano_usd == 0
