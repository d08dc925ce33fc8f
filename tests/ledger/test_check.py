from collections.abc import AsyncIterator

import pytest
from sqlalchemy.engine import URL

from fluxrouter_server.ledger.reader import SqlLedgerReader
from fluxrouter_server.services.ledger_check import CheckProgress, LedgerCheck
from fluxrouter_server.store.counters import ValkeyCounterStore
from fluxrouter_server.store.keys import account_keys, ledger_key
from fluxrouter_testing.control_stores import connected
from fluxrouter_testing.hold_world import HoldWorld, candidate
from fluxrouter_testing.ledger_feed import ledger_feed
from fluxrouter_testing.valkey import ThrowawayValkey


async def no_pause(_seconds: float) -> None:
    """Entries on their way never arrive in these tests."""


async def check_all(server: ThrowawayValkey, url: URL) -> CheckProgress:
    """What a check of all accounts comes to; the world has one."""
    reader = SqlLedgerReader(url)
    async with connected(server) as client:
        check = LedgerCheck(counters=ValkeyCounterStore(client), ledger=reader, sleep=no_pause)
        (progress,) = [part async for part in check.check_all()]
    reader.close()
    return progress


@pytest.fixture
async def world(shared_valkey: ThrowawayValkey) -> AsyncIterator[HoldWorld]:
    """An account with a settlement, a release, an expiry, a correction and a live hold."""
    world = HoldWorld(shared_valkey)
    world.settle(world.admit(candidates=(candidate(output_tokens=200_000),)))
    world.release(world.admit())
    expired = world.admit()
    world.advance(130)
    await world.sweeper.sweep()
    world.settle(expired)
    world.admit()
    yield world
    world.close()


async def test_a_ledger_that_has_everything_has_no_drift(
    world: HoldWorld, shared_valkey: ThrowawayValkey, ledger_url: URL
) -> None:
    async with ledger_feed(shared_valkey, ledger_url) as feed:
        await feed.worker.drain()
    progress = await check_all(shared_valkey, ledger_url)
    assert progress == CheckProgress(checked=1, lagging=0, drifts=())
    assert world.counter("s:1:a") > 0


async def test_a_counter_that_was_tampered_with_is_named(
    world: HoldWorld, shared_valkey: ThrowawayValkey, ledger_url: URL
) -> None:
    async with ledger_feed(shared_valkey, ledger_url) as feed:
        await feed.worker.drain()
    settled = world.counter("s:1:a")
    shared_valkey.command("HINCRBY", account_keys(world.uid).account, "s:1:a", -1)
    (drift,) = (await check_all(shared_valkey, ledger_url)).drifts
    assert (drift.account, drift.what) == ("team/acme", "settled account")
    assert (drift.in_store, drift.in_ledger) == (settled - 1, settled)
    assert drift.period_start_us is not None


async def test_an_entry_that_was_lost_is_found(
    world: HoldWorld, shared_valkey: ThrowawayValkey, ledger_url: URL
) -> None:
    stream = world.client.command("XRANGE", ledger_key(world.shard), "-", "+")
    settlement = next(item for item, fields in stream if b"settlement" in fields[1])
    shared_valkey.command("XDEL", ledger_key(world.shard), settlement)
    async with ledger_feed(shared_valkey, ledger_url) as feed:
        await feed.worker.drain()
    found = {drift.what for drift in (await check_all(shared_valkey, ledger_url)).drifts}
    assert {"chain", "settled account", "included"} <= found


async def test_entries_that_have_not_arrived_are_no_drift(
    world: HoldWorld, shared_valkey: ThrowawayValkey, ledger_url: URL
) -> None:
    async with ledger_feed(shared_valkey, ledger_url) as feed:
        await feed.worker.drain()
    world.release(world.admit())
    progress = await check_all(shared_valkey, ledger_url)
    assert progress == CheckProgress(checked=1, lagging=1, drifts=())


async def test_a_period_that_was_closed_has_no_drift(
    world: HoldWorld, shared_valkey: ThrowawayValkey, ledger_url: URL
) -> None:
    world.advance(62 * 24 * 3600)
    await world.sweeper.sweep()
    assert world.counter("cl") == 1
    async with ledger_feed(shared_valkey, ledger_url) as feed:
        await feed.worker.drain()
    assert (await check_all(shared_valkey, ledger_url)).drifts == ()
