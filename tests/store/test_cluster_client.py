"""A client of a Cluster whose slots move and whose nodes fail."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from fluxrouter_server.store.access import StoreAccess, store_client
from fluxrouter_server.store.cluster_client import ClusterClient
from fluxrouter_server.store.errors import StoreError, StoreUnavailable, StoreUnsuitable
from fluxrouter_server.store.keys import SHARDS, meta_key
from fluxrouter_server.store.locations import parse_store_location
from fluxrouter_server.store.runners import StoreRunner
from fluxrouter_server.store.scripts import assemble
from fluxrouter_server.store.slots import slot_of
from fluxrouter_testing.store_cluster import ThrowawayCluster, running_cluster
from fluxrouter_testing.valkey import ThrowawayValkey, running_valkey
from fluxrouter_testing.waiting import eventually_async

COUNT = assemble(
    "count",
    "#!lua\nredis.call('INCR', KEYS[2])\nreturn redis.call('INCR', KEYS[1])",
    {},
)
CALLERS = 32
BACK_SECONDS = 5.0

pytestmark = pytest.mark.timeout(120)


@pytest.fixture(scope="module")
def cluster() -> Iterator[ThrowawayCluster]:
    """Three nodes whose slots tests move; each test uses a shard of its own."""
    with running_cluster() as started:
        yield started


@asynccontextmanager
async def using(store: ThrowawayCluster, *, seconds: float = 10.0) -> AsyncIterator[StoreRunner]:
    async with store_client(StoreAccess(store.location), timeout_seconds=seconds) as client:
        await client.wait_ready(20)
        yield client


def keys_of(shard: int) -> tuple[str, str]:
    return f"{meta_key(shard)}-first", f"{meta_key(shard)}-second"


def another(cluster: ThrowawayCluster, node: ThrowawayValkey) -> ThrowawayValkey:
    return next(one for one in cluster.primaries if one is not node)


async def test_each_key_goes_to_the_node_that_has_its_slot(cluster: ThrowawayCluster) -> None:
    async with using(cluster) as client:
        spread = [(f"{meta_key(n)}-1", f"{meta_key(n)}-2") for n in range(SHARDS)]
        outcomes = await client.evaluate_each(COUNT, [(keys, ()) for keys in spread])
        assert not [outcome for outcome in outcomes if isinstance(outcome, StoreError)]
        sizes = [await node.execute("DBSIZE") for node in client.nodes()]
        assert len(sizes) == 3
        assert all(isinstance(size, int) and size > SHARDS / 4 for size in sizes)
        assert await client.execute("GET", spread[17][0]) == b"1"


class Callers:
    """Count without end on a few shards, and remember how often they were answered."""

    def __init__(self, client: StoreRunner, shards: range) -> None:
        self.answers = dict.fromkeys(shards, 0)
        self.is_over = False
        self._client = client

    async def run(self, shard: int) -> None:
        while not self.is_over:
            await self._client.evaluate(COUNT, keys_of(shard), ())
            self.answers[shard] += 1

    async def counted(self) -> dict[int, int]:
        found = {}
        for shard in self.answers:
            values = [await self._client.execute("GET", key) for key in keys_of(shard)]
            first, second = (int(value) for value in values if isinstance(value, bytes))
            assert first == second
            found[shard] = first
        return found


@asynccontextmanager
async def counting(client: StoreRunner, shards: range) -> AsyncIterator[Callers]:
    callers = Callers(client, shards)
    async with asyncio.TaskGroup() as group:
        for number in range(CALLERS):
            group.create_task(callers.run(shards[number % len(shards)]))
        yield callers
        callers.is_over = True


async def test_slots_that_move_at_once_cost_no_call_and_double_none(
    cluster: ThrowawayCluster,
) -> None:
    shards = range(0x20, 0x24)
    async with using(cluster) as client, counting(client, shards) as callers:
        for _ in range(2):
            for shard in shards:
                slot = slot_of(shard)
                target = another(cluster, cluster.owner_of(slot))
                await asyncio.to_thread(cluster.move_slots, slot, slot, target)
        seen = sum(callers.answers.values())
        await eventually_async(lambda: sum(callers.answers.values()) > seen + 10 * CALLERS, 20)
        callers.is_over = True
    async with using(cluster) as client:
        callers_after = Callers(client, shards)
        assert await callers_after.counted() == callers.answers


async def test_slots_that_move_key_by_key_cost_no_call_and_double_none(
    cluster: ThrowawayCluster,
) -> None:
    shards = range(0x30, 0x34)
    async with using(cluster) as client, counting(client, shards) as callers:
        for shard in shards:
            slot = slot_of(shard)
            target = another(cluster, cluster.owner_of(slot))
            await asyncio.to_thread(cluster.move_slot_key_by_key, slot, target)
        callers.is_over = True
    async with using(cluster) as client:
        assert await Callers(client, shards).counted() == callers.answers


@asynccontextmanager
async def half_moved(cluster: ThrowawayCluster, shard: int) -> AsyncIterator[ThrowawayValkey]:
    """A slot under way key by key, one of its two keys on either side; yields the target."""
    slot, (first, second) = slot_of(shard), keys_of(shard)
    source = cluster.owner_of(slot)
    target = another(cluster, source)
    for key in (first, second):
        source.command("SET", key, 10)
    target.command("CLUSTER", "SETSLOT", slot, "IMPORTING", cluster.node_id(source))
    source.command("CLUSTER", "SETSLOT", slot, "MIGRATING", cluster.node_id(target))
    port = target.tcp_address.port
    source.command("MIGRATE", "127.0.0.1", port, "", 0, 5000, "KEYS", first)
    yield target
    source.command("MIGRATE", "127.0.0.1", port, "", 0, 5000, "KEYS", second)
    for node in (target, source, *cluster.primaries):
        node.command("CLUSTER", "SETSLOT", slot, "NODE", cluster.node_id(target))


async def test_a_call_waits_for_the_other_half_of_its_keys(cluster: ThrowawayCluster) -> None:
    async with using(cluster) as client:
        async with half_moved(cluster, 0x40):
            call = asyncio.create_task(client.evaluate(COUNT, keys_of(0x40), ()))
            # Another shard of the same node is answered meanwhile: one call waits, not all.
            await client.execute("GET", keys_of(0x41)[0])
            assert not call.done()
        assert await call == 11
        assert await client.execute("GET", keys_of(0x40)[1]) == b"11"


async def test_a_call_that_waits_too_long_for_its_keys_has_done_nothing(
    cluster: ThrowawayCluster,
) -> None:
    async with using(cluster, seconds=0.2) as client:
        async with half_moved(cluster, 0x50):
            started = time.monotonic()
            with pytest.raises(StoreUnavailable) as failure:
                await client.evaluate(COUNT, keys_of(0x50), ())
            assert not failure.value.outcome_unknown
            assert time.monotonic() - started < 1.0
        assert await client.execute("GET", keys_of(0x50)[0], timeout_seconds=10) == b"10"
        assert await client.execute("GET", keys_of(0x50)[1], timeout_seconds=10) == b"10"


async def test_a_key_that_is_only_at_the_target_is_found_there(cluster: ThrowawayCluster) -> None:
    async with using(cluster) as client, half_moved(cluster, 0x60) as target:
        assert await client.execute("INCR", keys_of(0x60)[0]) == 11
        assert target.command("ASKING") == b"OK"


async def test_a_script_that_a_node_has_forgotten_is_loaded_there_again(
    cluster: ThrowawayCluster,
) -> None:
    async with using(cluster) as client:
        await client.evaluate(COUNT, keys_of(0x70), ())
        cluster.command_everywhere("SCRIPT", "FLUSH")
        assert await client.evaluate(COUNT, keys_of(0x70), ()) == 2


async def test_a_cluster_is_not_taken_for_one_server_nor_one_for_a_cluster(
    cluster: ThrowawayCluster,
) -> None:
    one_node = StoreAccess(cluster.primaries[0].location)
    async with store_client(one_node) as client:
        with pytest.raises(StoreUnsuitable, match=r"write valkey\+cluster://"):
            await client.wait_ready(10)
    with running_valkey(with_tcp=True) as server:
        url = f"valkey+cluster://127.0.0.1:{server.tcp_address.port}"
        async with store_client(StoreAccess(parse_store_location(url))) as client:
            with pytest.raises(StoreUnsuitable, match="write valkey://"):
                await client.wait_ready(10)


async def test_a_node_that_hangs_takes_its_own_shards_along_and_no_others() -> None:
    with running_cluster() as cluster:
        async with using(cluster, seconds=0.2) as client:
            hung = cluster.owner_of(slot_of(0))
            others = next(n for n in range(SHARDS) if cluster.owner_of(slot_of(n)) is not hung)
            hung.pause()
            started = time.monotonic()
            with pytest.raises(StoreUnavailable):
                await client.evaluate(COUNT, keys_of(0), ())
            assert time.monotonic() - started < 1.0
            assert await client.evaluate(COUNT, keys_of(others), (), timeout_seconds=5) == 1
            assert client.is_available
            hung.resume()
            await eventually_async(lambda: _is_answered(client, 0), BACK_SECONDS)


async def test_a_primary_that_dies_is_followed_by_its_replica_in_time() -> None:
    with running_cluster(replicas=1) as cluster:
        async with using(cluster, seconds=0.2) as client:
            assert isinstance(client, ClusterClient)
            before = client.life
            assert await _is_answered(client, 0)
            cluster.owner_of(slot_of(0)).kill()
            await eventually_async(lambda: _is_answered(client, 0), BACK_SECONDS)
            assert client.life not in (None, before)  # so that the ledger is compared


async def _is_answered(client: StoreRunner, shard: int) -> bool:
    try:
        await client.evaluate(COUNT, keys_of(shard), ())
    except StoreUnavailable:
        return False
    return True
