"""All promises across the loss of one node, where decisions wait for every replica."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from fluxrouter_server.cli.resource_files import read_resources
from fluxrouter_server.store.keys import shard_of
from fluxrouter_server.store.locations import StoreShape
from fluxrouter_server.store.slots import slot_of
from fluxrouter_testing.customers import Connection, account, connected, plan
from fluxrouter_testing.fleet import Fleet, running_fleet
from fluxrouter_testing.steady_spending import Told, spending
from fluxrouter_testing.store_cluster import ThrowawayCluster, running_cluster
from fluxrouter_testing.store_replication import ThrowawayReplication, running_replication
from fluxrouter_testing.transports import servers_on
from fluxrouter_testing.waiting import eventually_async

CATALOG = read_resources(
    [str(Path(__file__).resolve().parents[2] / "examples" / "resources" / "catalog.yaml")]
)
ONE_DOLLAR = 1_000_000_000
USABLE = ONE_DOLLAR * 995 // 1000
BACK_SECONDS = 5.0
BEFORE = 200  # receipts before anything fails
ACCOUNT = "racer"

pytestmark = pytest.mark.timeout(180)


@pytest.fixture(autouse=True)
def stage() -> Iterator[StoreShape]:
    """The store is what fails here; the fast transport waits for it as the other does."""
    with servers_on("envoy"):
        yield StoreShape.SENTINEL


@pytest.fixture
def store() -> Iterator[ThrowawayReplication]:
    """A primary with two replicas, without both of which it takes no writes, and Sentinels."""
    with running_replication(
        replicas=2, min_replicas=2, with_sentinels=True, durable=True
    ) as started:
        yield started


@pytest.fixture
def fleet(store: ThrowawayReplication) -> Iterator[Fleet]:
    """Two servers that wait for both replicas."""
    options = ("--durability", "replicated", "--store-replicas", "2")
    with running_fleet(servers=2, store=store, options=options) as started:
        yield started


def addresses(fleet: Fleet) -> list[str]:
    return [server.address for server in fleet.servers]


def require_promises(told: Told, settled_nano_usd: int) -> None:
    """No overspend at any time, no double charge, no receipt that was forgotten."""
    assert len(told.seen) > 10
    assert max(told.seen) <= ONE_DOLLAR
    assert settled_nano_usd == told.billed_nano_usd


async def nothing_is_held(server: Connection) -> bool:
    return (await server.spend(ACCOUNT)).held_nano_usd == 0


async def test_a_fail_over_under_load_forgets_nothing_and_is_over_in_time(
    fleet: Fleet, store: ThrowawayReplication, servers: list[Connection]
) -> None:
    await servers[0].apply(plan("dollar", "1.00"), account(ACCOUNT, "dollar"))
    async with spending(addresses(fleet), ACCOUNT) as told:
        await eventually_async(lambda: len(told.receipts) > BEFORE, timeout_seconds=30)
        dead = store.primary
        dead.kill()
        killed_at = time.monotonic()
        again = asyncio.create_task(asyncio.to_thread(store.start_again, dead))
        await eventually_async(lambda: told.admitted_at[-1] > killed_at, timeout_seconds=30)
        back_seconds = time.monotonic() - killed_at
        await again
        await eventually_async(lambda: told.billed_nano_usd > USABLE, timeout_seconds=60)
    await eventually_async(lambda: nothing_is_held(servers[1]), timeout_seconds=10)
    require_promises(told, (await servers[1].spend(ACCOUNT)).settled_nano_usd)
    assert store.named_primary() is not dead
    assert told.unavailable > 0
    assert back_seconds < BACK_SECONDS


@pytest.fixture
def cluster() -> Iterator[ThrowawayCluster]:
    """Three nodes."""
    with running_cluster(durable=True) as started:
        yield started


async def test_slots_that_move_under_load_cost_nobody_anything(cluster: ThrowawayCluster) -> None:
    slot = slot_of(shard_of(f"default/{ACCOUNT}"))
    with running_fleet(servers=2, store=cluster) as fleet:
        async with connected(fleet.servers[0].address) as server:
            await server.apply(*CATALOG, plan("dollar", "1.00"), account(ACCOUNT, "dollar"))
            async with spending(addresses(fleet), ACCOUNT) as told:
                for target in (*cluster.primaries, cluster.primaries[0]):
                    if target is not cluster.owner_of(slot):
                        await asyncio.to_thread(cluster.move_slots, slot, slot, target)
                    await more_receipts(told, 100)
            await eventually_async(lambda: nothing_is_held(server), timeout_seconds=10)
            require_promises(told, (await server.spend(ACCOUNT)).settled_nano_usd)
            assert told.unavailable == 0


async def more_receipts(told: Told, count: int) -> None:
    seen = len(told.receipts)
    await eventually_async(lambda: len(told.receipts) > seen + count, timeout_seconds=30)
