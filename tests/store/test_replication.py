"""A client whose answers stand on all replicas, and one that Sentinels lead to the primary."""

import asyncio
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager

import pytest

from fluxrouter_server.store.access import StoreAccess, store_client
from fluxrouter_server.store.errors import StoreNotReady, StoreUnavailable, StoreUnsuitable
from fluxrouter_server.store.keys import meta_key
from fluxrouter_server.store.runners import StoreRunner
from fluxrouter_server.store.scripts import assemble
from fluxrouter_testing.store_replication import ThrowawayReplication, running_replication
from fluxrouter_testing.waiting import eventually, eventually_async

COUNT = assemble("count", "#!lua\nreturn redis.call('INCR', KEYS[1])", {})
READ = assemble("read", "#!lua\nreturn redis.call('GET', KEYS[1])", {})
KEY = meta_key(7)
ANSWER_SECONDS = 0.25
BACK_SECONDS = 5.0
CALLS = 200

pytestmark = pytest.mark.timeout(90)


@pytest.fixture
def store() -> Iterator[ThrowawayReplication]:
    """A primary with two replicas, without both of which it takes no writes."""
    with running_replication(replicas=2, min_replicas=2) as started:
        yield started


@asynccontextmanager
async def using(
    store: ThrowawayReplication, *, replicas: int = 2, seconds: float = 0.2
) -> AsyncIterator[StoreRunner]:
    location = store.location if store.sentinels else store.primary.location
    access = StoreAccess(location, replicas=replicas)
    async with store_client(access, timeout_seconds=seconds) as client:
        await client.wait_ready(10)
        yield client


def times_called(store: ThrowawayReplication, command: str) -> int:
    reply = store.primary.command("INFO", "commandstats")
    assert isinstance(reply, bytes)
    for line in reply.decode().splitlines():
        if line.startswith(f"cmdstat_{command}:calls="):
            return int(line.partition("=")[2].partition(",")[0])
    return 0


async def test_what_was_answered_is_on_every_replica(store: ThrowawayReplication) -> None:
    async with using(store, seconds=10) as client:
        answers = await asyncio.gather(*(client.evaluate(COUNT, (KEY,), ()) for _ in range(CALLS)))
        assert sorted(answers) == list(range(1, CALLS + 1))
        for replica in store.replicas:
            assert replica.command("GET", KEY) == str(CALLS).encode()


async def test_calls_that_leave_together_wait_once(store: ThrowawayReplication) -> None:
    async with using(store, seconds=10) as client:
        await client.evaluate(COUNT, (KEY,), ())  # so that the store knows the script
        before = times_called(store, "eval"), times_called(store, "wait")
        await asyncio.gather(*(client.evaluate(COUNT, (KEY,), ()) for _ in range(CALLS)))
        written, waited = times_called(store, "eval"), times_called(store, "wait")
        assert written == before[0] + 1  # each WAIT has one write of its own before it
        assert waited <= before[1] + 2  # one that blocks is counted again when it ends


async def test_a_replica_that_hangs_makes_the_outcome_unknown_in_time(
    store: ThrowawayReplication,
) -> None:
    async with using(store) as client:
        assert await client.evaluate(COUNT, (KEY,), (), timeout_seconds=5) == 1
        store.replicas[0].pause()
        started = time.monotonic()
        with pytest.raises(StoreUnavailable) as failure:
            await client.evaluate(COUNT, (KEY,), ())
        assert failure.value.outcome_unknown
        assert time.monotonic() - started < ANSWER_SECONDS
        store.replicas[0].resume()
        await eventually_async(lambda: is_answered(client), BACK_SECONDS)


async def test_what_is_only_read_is_not_told_before_the_replicas_have_it(
    store: ThrowawayReplication,
) -> None:
    async with using(store) as client:
        assert await client.evaluate(READ, (KEY,), (), timeout_seconds=5) is None
        store.replicas[0].pause()
        store.primary.command("SET", KEY, "admitted")  # by somebody else, and on one replica only
        with pytest.raises(StoreUnavailable) as failure:
            await client.evaluate(READ, (KEY,), ())
        assert failure.value.outcome_unknown


async def test_without_a_replica_nothing_is_decided_and_that_is_certain(
    store: ThrowawayReplication,
) -> None:
    async with using(store) as client:
        gone = store.replicas[0]
        gone.kill()

        async def is_refused() -> bool:
            try:
                await client.evaluate(COUNT, (KEY,), ())
            except StoreNotReady as refusal:
                return refusal.code == "NOREPLICAS" and not refusal.outcome_unknown
            except StoreUnavailable:
                return False
            return False

        await eventually_async(is_refused, BACK_SECONDS)
        gone.configure(replicaof=f"127.0.0.1 {store.primary.tcp_address.port}")
        gone.start()
        await eventually_async(lambda: is_answered(client), 20)


async def test_a_primary_that_would_go_on_alone_is_refused(store: ThrowawayReplication) -> None:
    store.primary.command("CONFIG", "SET", "min-replicas-to-write", 1)
    with pytest.raises(StoreUnsuitable, match="set 'min-replicas-to-write 2'"):
        async with using(store):
            pass


async def test_a_full_memory_is_no_lack_of_replicas(store: ThrowawayReplication) -> None:
    settle = assemble("settle", f"#!lua flags=allow-oom\n{COUNT.source[6:]}", {})
    async with using(store, seconds=10) as client:
        store.primary.command("CONFIG", "SET", "maxmemory", 1)
        assert await client.evaluate(settle, (KEY,), ()) == 1


@pytest.fixture
def watched() -> Iterator[ThrowawayReplication]:
    """A primary with two replicas, and Sentinels."""
    with running_replication(replicas=2, with_sentinels=True) as started:
        yield started


async def test_the_primary_that_sentinels_promote_is_used_in_time(
    watched: ThrowawayReplication,
) -> None:
    async with using(watched, replicas=0) as client:
        assert await client.evaluate(COUNT, (KEY,), (), timeout_seconds=5) == 1
        before, dead = client.life, watched.primary
        dead.kill()
        await eventually_async(lambda: is_answered(client), BACK_SECONDS)
        assert watched.named_primary() is not dead
        assert client.life != before  # so that the ledger is compared


async def test_a_primary_that_is_put_down_in_order_is_left(watched: ThrowawayReplication) -> None:
    async with using(watched, replicas=0) as client:
        assert await client.evaluate(COUNT, (KEY,), (), timeout_seconds=5) == 1
        former = watched.primary
        watched.sentinels[0].command("SENTINEL", "FAILOVER", "main")
        await asyncio.to_thread(
            eventually, lambda: watched.named_primary() is not former, timeout_seconds=20
        )
        await eventually_async(lambda: is_answered(client), BACK_SECONDS)
        values = [server.command("GET", KEY) for server in watched.servers if server is not former]
        assert b"2" in values


async def test_sentinels_are_asked_until_one_answers(watched: ThrowawayReplication) -> None:
    watched.sentinels[0].kill()
    async with using(watched, replicas=0) as client:
        assert await client.evaluate(COUNT, (KEY,), (), timeout_seconds=5) == 1


async def is_answered(client: StoreRunner) -> bool:
    try:
        await client.evaluate(COUNT, (KEY,), ())
    except StoreUnavailable:
        return False
    return True
