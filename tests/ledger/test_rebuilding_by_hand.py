"""Counters of a living store are restored from ledger and stream, while they are in use."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.engine import URL

from fluxrouter_server.domain.ids import AccountName
from fluxrouter_server.ledger.reader import SqlLedgerReader
from fluxrouter_server.services.callers import LOCAL
from fluxrouter_server.services.counter_rebuild import CounterRebuild, RebuildProgress
from fluxrouter_server.services.limits_cache import LimitsCache
from fluxrouter_server.services.payers import Payers
from fluxrouter_server.services.ports.ledger import CounterQuery
from fluxrouter_server.store.clock import SimulatedClock
from fluxrouter_server.store.counter_restoring import ValkeyCounterRestorer
from fluxrouter_server.store.counters import ValkeyCounterStore
from fluxrouter_server.store.keys import account_keys, ledger_key
from fluxrouter_server.store.shard_calls import ShardCalls
from fluxrouter_testing.control_stores import SCRIPTS, connected
from fluxrouter_testing.hold_world import HoldWorld
from fluxrouter_testing.ledger_feed import ledger_feed
from fluxrouter_testing.valkey import ThrowawayValkey


@pytest.fixture
async def world(shared_valkey: ThrowawayValkey, ledger_url: URL) -> AsyncIterator[HoldWorld]:
    """An account of which the ledger has some entries, the stream others, and a hold is open."""
    world = HoldWorld(shared_valkey)
    world.settle(world.admit())
    async with ledger_feed(shared_valkey, ledger_url) as feed:
        await feed.worker.drain()
    world.settle(world.admit(labels={"team": "search"}))
    world.adjust(-1)
    world.release(world.admit())
    world.admit()
    yield world
    world.close()


class Hands:
    """What an operator's command uses, over the world's store and the ledger."""

    def __init__(self, world: HoldWorld, server: ThrowawayValkey, url: URL) -> None:
        self.world, self.server, self.url = world, server, url

    async def rebuild(self) -> RebuildProgress:
        """Rebuilds all accounts; the world has one."""
        reader = SqlLedgerReader(self.url)
        async with connected(self.server) as client:
            world = self.world
            clock = SimulatedClock(lambda: world.now_us)
            shards = ShardCalls(client, SCRIPTS, lives=world.lives, clock=clock)
            work = CounterRebuild(
                counters=ValkeyCounterStore(client),
                restorer=ValkeyCounterRestorer(client, shards),
                ledger=reader,
                payers=Payers(_no_cache()),
                problem=lambda: None,
                sleep=no_pause,
            )
            (progress,) = [part async for part in work.run(None, LOCAL)]
        reader.close()
        assert isinstance(progress, RebuildProgress)
        return progress

    async def restore_after_a_change(self) -> bool:
        """Reads and derives, lets the account change, and writes what was derived."""
        reader = SqlLedgerReader(self.url)
        async with connected(self.server) as client:
            world = self.world
            clock = SimulatedClock(lambda: world.now_us)
            shards = ShardCalls(client, SCRIPTS, lives=world.lives, clock=clock)
            found = await ValkeyCounterStore(client).read(world.uid, AccountName("team/acme"))
            (derived,) = await reader.derive([CounterQuery(found.uid, found.seq, 0)])
            world.adjust(1)
            written = await ValkeyCounterRestorer(client, shards).restore(found, derived)
        reader.close()
        return written


def _no_cache() -> LimitsCache:
    """Nobody is asked for by name."""
    return None  # type: ignore[return-value]


async def no_pause(_seconds: float) -> None:
    """What is missing in these tests never comes."""


@pytest.fixture
def hands(world: HoldWorld, shared_valkey: ThrowawayValkey, ledger_url: URL) -> Hands:
    return Hands(world, shared_valkey, ledger_url)


def tamper(world: HoldWorld) -> None:
    key = account_keys(world.uid).account
    world.client.command("HINCRBY", key, "s:1:a", 5)
    world.client.command("HINCRBY", key, "inc:1", -7)
    world.client.command("HSET", key, "abs:1", 99)


async def test_counters_come_back_bit_by_bit_from_ledger_and_stream(hands: Hands) -> None:
    before = hands.world.fields()
    tamper(hands.world)
    progress = await hands.rebuild()
    assert {drift.what for drift in progress.mended} == {"settled account", "included", "absorbed"}
    after = hands.world.fields()
    assert {name: after[name] for name in before} == before
    assert {name for name in after if name not in before} <= {"abs:1"}


async def test_right_counters_are_left_alone(hands: Hands) -> None:
    before = hands.world.fields()
    assert await hands.rebuild() == RebuildProgress(accounts=1)
    assert hands.world.fields() == before


async def test_an_account_that_lacks_an_entry_is_left_as_it_is(hands: Hands) -> None:
    world = hands.world
    stream = world.client.command("XRANGE", ledger_key(world.shard), "-", "+")
    world.client.command("XDEL", ledger_key(world.shard), stream[0][0])
    tamper(world)
    before = world.fields()
    progress = await hands.rebuild()
    assert [drift.what for drift in progress.incomplete] == ["chain"]
    assert world.fields() == before


async def test_what_was_derived_before_a_change_is_not_written(hands: Hands) -> None:
    tamper(hands.world)
    before = hands.world.counter("s:1:a")
    assert not await hands.restore_after_a_change()
    assert hands.world.counter("s:1:a") == before + 1
