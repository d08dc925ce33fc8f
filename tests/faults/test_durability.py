"""What each setting of the store promises across a crash: one test a row of README's table."""

import contextlib
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import grpc
import pytest

from fluxrouter_server.cli.resource_files import read_resources
from fluxrouter_server.store.locations import StoreShape
from fluxrouter_testing.customers import Connection, account, connected, plan
from fluxrouter_testing.fleet import Fleet, running_fleet
from fluxrouter_testing.steady_spending import Told, spending
from fluxrouter_testing.store_replication import running_replication
from fluxrouter_testing.transports import servers_on
from fluxrouter_testing.valkey import running_valkey
from fluxrouter_testing.waiting import eventually_async

CATALOG = read_resources(
    [str(Path(__file__).resolve().parents[2] / "examples" / "resources" / "catalog.yaml")]
)
ONE_DOLLAR = 1_000_000_000
RECEIPTS = 100
SYNC_SECONDS = 2.0  # `everysec` promises one; the store itself allows its disk one more
ACCOUNT = "racer"

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(autouse=True)
def stage() -> Iterator[StoreShape]:
    """The store alone makes the difference here."""
    with servers_on("grpc"):
        yield StoreShape.SINGLE


async def prepared(stack: ExitStack, **options: object) -> Fleet:
    """A fleet of two servers, and an account with a dollar."""
    fleet = stack.enter_context(running_fleet(servers=2, **options))  # type: ignore[arg-type]
    async with connected(fleet.servers[0].address) as server:
        await server.apply(*CATALOG, plan("dollar", "1.00"), account(ACCOUNT, "dollar"))
    return fleet


def addresses(fleet: Fleet) -> list[str]:
    return [server.address for server in fleet.servers]


async def receipts(told: Told, count: int) -> None:
    seen = len(told.receipts)
    await eventually_async(lambda: len(told.receipts) >= seen + count, timeout_seconds=30)


async def settled_at_last(server: Connection) -> int:
    """What is settled once no hold is left."""

    async def nothing_is_held() -> bool:
        with contextlib.suppress(grpc.aio.AioRpcError):  # the store comes up again
            return (await server.spend(ACCOUNT)).held_nano_usd == 0
        return False

    await eventually_async(nothing_is_held, timeout_seconds=10)
    return (await server.spend(ACCOUNT)).settled_nano_usd


async def test_with_appendfsync_always_a_crash_forgets_nothing() -> None:
    with ExitStack() as stack:
        fleet = await prepared(stack)
        async with spending(addresses(fleet), ACCOUNT) as told:
            await receipts(told, RECEIPTS)
            fleet.store.kill()
            fleet.store.start()
            await receipts(told, RECEIPTS)
        async with connected(fleet.servers[1].address) as server:
            assert await settled_at_last(server) == told.billed_nano_usd
        assert max(told.seen) <= ONE_DOLLAR


async def test_with_appendfsync_everysec_a_crash_forgets_the_last_moments_alone() -> None:
    with ExitStack() as stack:
        store = stack.enter_context(
            running_valkey(config={"appendonly": "yes", "appendfsync": "everysec"})
        )
        fleet = await prepared(stack, store=store)
        async with spending(addresses(fleet), ACCOUNT, callers=2) as told:
            begun_at = time.monotonic()
            await eventually_async(
                lambda: time.monotonic() - begun_at > SYNC_SECONDS and len(told.receipts) > 10, 30
            )
        store.kill()
        killed_at = time.monotonic()
        store.start()
        safe = sum(billed for at, billed in told.receipts if at < killed_at - SYNC_SECONDS)
        async with connected(fleet.servers[1].address) as server:
            assert await settled_at_last(server) >= safe


async def test_waiting_for_fewer_replicas_forgets_what_the_promoted_one_lacks() -> None:
    with ExitStack() as stack:
        store = stack.enter_context(running_replication(replicas=2, min_replicas=1, durable=True))
        primary, (waited_for, lagging) = store.primary, store.replicas
        options = ("--durability", "replicated", "--store-replicas", "1")
        fleet = await prepared(stack, store=primary, options=options)
        async with connected(fleet.servers[0].address) as server:
            async with spending(addresses(fleet), ACCOUNT, callers=4) as told:
                await receipts(told, 20)
                before = len(told.receipts)
                lagging.command("REPLICAOF", "NO", "ONE")  # cut off, and promoted later
                await receipts(told, 20)
            promised = (await server.spend(ACCOUNT)).settled_nano_usd
        assert promised == told.billed_nano_usd
        known = sum(billed for _, billed in told.receipts[:before])
        primary.kill()
        waited_for.command("REPLICAOF", "NO", "ONE")
        for survivor in (waited_for, lagging):
            survivor.command("CONFIG", "SET", "min-replicas-to-write", 0)
        assert await settled_on(stack, waited_for) == promised
        assert known <= await settled_on(stack, lagging) < promised


async def settled_on(stack: ExitStack, survivor: object) -> int:
    """What a server says that is led to a survivor."""
    fleet = stack.enter_context(running_fleet(servers=1, store=survivor))  # type: ignore[arg-type]
    async with connected(fleet.servers[0].address) as server:
        return (await server.spend(ACCOUNT)).settled_nano_usd
