import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from sqlalchemy import Engine, func, select, text
from sqlalchemy.engine import URL

from fluxrouter_server.domain.ledger import EntryKind, LedgerEntry
from fluxrouter_server.domain.pricing import Usage
from fluxrouter_server.ledger.engines import open_engine
from fluxrouter_server.ledger.rows import read_row
from fluxrouter_server.ledger.tables import entries, rejects
from fluxrouter_server.ledger.worker import LedgerWorker
from fluxrouter_server.services.ports.ledger import LedgerError
from fluxrouter_server.store.keys import ledger_key
from fluxrouter_testing.hold_world import HoldWorld, candidate
from fluxrouter_testing.ledger_feed import ledger_feed
from fluxrouter_testing.valkey import ThrowawayValkey
from fluxrouter_testing.waiting import eventually_async


def kept(engine: Engine) -> list[LedgerEntry]:
    with engine.connect() as connection:
        rows = connection.execute(select(entries).order_by(entries.c.epoch, entries.c.seq))
        return [read_row(row) for row in rows.mappings()]


def count_of(engine: Engine, table: Any) -> int:  # noqa: ANN401 - any of our tables
    with engine.connect() as connection:
        return connection.scalar(select(func.count()).select_from(table)) or 0


def waiting(server: ThrowawayValkey, world: HoldWorld) -> object:
    return server.command("XLEN", ledger_key(world.shard))


def rename(url: URL, table: str, new_name: str) -> None:
    engine = open_engine(url, is_writer=True)
    with engine.begin() as connection:
        connection.execute(text(f"ALTER TABLE {table} RENAME TO {new_name}"))
    engine.dispose()


@asynccontextmanager
async def running(worker: LedgerWorker) -> AsyncIterator[None]:
    task = asyncio.create_task(worker.run())
    yield
    task.cancel()
    await asyncio.wait([task])


async def test_a_settlement_arrives_with_everything_that_explains_it(
    shared_valkey: ThrowawayValkey, ledger_url: URL, engine: Engine
) -> None:
    world = HoldWorld(shared_valkey)
    hold = world.admit(
        "mine", labels={"team": "search"}, candidates=(candidate("fast-1"),), model_asked="flux-x"
    )
    receipt = world.settle(hold, Usage(800, 100, 0, 500, 50))
    async with ledger_feed(shared_valkey, ledger_url) as feed:
        await feed.worker.drain()
    (entry,) = kept(engine)
    assert entry.kind is EntryKind.SETTLEMENT
    assert (entry.hold_id, entry.request_id, entry.labels) == (hold.id, "mine", {"team": "search"})
    assert (entry.model_asked, entry.model, entry.lane) == ("flux-x", "fast-1", "express")
    assert entry.usage == Usage(800, 100, 0, 500, 50)
    assert entry.rates == hold.rates
    assert entry.funds.cost_nano_usd == receipt.cost_nano_usd
    assert entry.funds.billed_nano_usd == receipt.billed_nano_usd == entry.settled_after_nano_usd
    assert entry.plan == "free"
    assert "a" in entry.levels
    world.close()


async def test_entries_leave_the_store_once_sql_has_them(
    shared_valkey: ThrowawayValkey, ledger_url: URL, engine: Engine
) -> None:
    world = HoldWorld(shared_valkey)
    for _ in range(3):
        world.settle(world.admit())
    async with ledger_feed(shared_valkey, ledger_url) as feed:
        await feed.worker.drain()
        assert (feed.worker.backlog.entries, feed.worker.backlog.lag_seconds) == (0, 0.0)
    assert waiting(shared_valkey, world) == 0
    assert len(kept(engine)) == 3
    world.close()


async def test_every_kind_of_ending_is_understood(
    shared_valkey: ThrowawayValkey, ledger_url: URL, engine: Engine
) -> None:
    world = HoldWorld(shared_valkey)
    world.release(world.admit())
    expired = world.admit()
    world.advance(121)
    await world.sweeper.sweep()
    world.settle(expired)
    world.settle(
        world.admit(candidates=(candidate(output_tokens=200_000),)), Usage(0, 0, 0, 200_000)
    )
    world.advance(60 * 24 * 3600)
    await world.sweeper.sweep()
    async with ledger_feed(shared_valkey, ledger_url) as feed:
        await feed.worker.drain()
    assert [entry.kind for entry in kept(engine)] == [
        EntryKind.RELEASE,
        EntryKind.EXPIRY,
        EntryKind.CORRECTION,
        EntryKind.SETTLEMENT,
        EntryKind.ALERT,
        EntryKind.PERIOD_CLOSE,
    ]
    assert count_of(engine, rejects) == 0
    world.close()


async def test_what_a_dead_worker_was_given_is_taken_over(
    shared_valkey: ThrowawayValkey, ledger_url: URL, engine: Engine
) -> None:
    world = HoldWorld(shared_valkey)
    world.settle(world.admit())
    async with ledger_feed(shared_valkey, ledger_url, worker="dead") as dead:
        await dead.stream.open()
        given = await dead.stream.read(wait_seconds=0.001)
    async with ledger_feed(shared_valkey, ledger_url, dead_after_seconds=0) as alive:
        assert await alive.worker.drain() == 0  # nothing is new
        taken = await alive.stream.reclaim()
        assert taken == given
        await alive.book.append([item.entry for item in taken])
        await alive.stream.acknowledge(taken)
    assert (len(kept(engine)), waiting(shared_valkey, world)) == (1, 0)
    world.close()


async def test_an_entry_that_was_written_but_not_acknowledged_counts_once(
    shared_valkey: ThrowawayValkey, ledger_url: URL, engine: Engine
) -> None:
    world = HoldWorld(shared_valkey)
    world.settle(world.admit())
    async with ledger_feed(shared_valkey, ledger_url, dead_after_seconds=0) as feed:
        await feed.stream.open()
        given = await feed.stream.read(wait_seconds=0.001)
        await feed.book.append([item.entry for item in given])
        again = await feed.stream.reclaim()
        assert await feed.book.append([item.entry for item in again]) == 0
    assert len(kept(engine)) == 1
    world.close()


async def test_two_workers_share_the_streams(
    shared_valkey: ThrowawayValkey, ledger_url: URL, engine: Engine
) -> None:
    world = HoldWorld(shared_valkey)
    for _ in range(200):
        world.release(world.admit())
    async with (
        ledger_feed(shared_valkey, ledger_url, worker="one") as one,
        ledger_feed(shared_valkey, ledger_url, worker="two") as two,
    ):
        await asyncio.gather(one.worker.drain(), two.worker.drain())
    assert len(kept(engine)) == 200
    world.close()


async def test_bytes_that_are_no_entry_are_kept_and_stop_nothing(
    shared_valkey: ThrowawayValkey, ledger_url: URL, engine: Engine
) -> None:
    world = HoldWorld(shared_valkey)
    shared_valkey.command("XADD", ledger_key(world.shard), "*", "e", b"\xc1nonsense")
    world.settle(world.admit())
    async with ledger_feed(shared_valkey, ledger_url) as feed:
        await feed.worker.drain()
    assert (count_of(engine, rejects), len(kept(engine))) == (1, 1)
    world.close()


async def test_nothing_is_lost_while_the_database_takes_nothing(
    shared_valkey: ThrowawayValkey, ledger_url: URL, engine: Engine
) -> None:
    world = HoldWorld(shared_valkey)
    world.settle(world.admit())
    async with ledger_feed(shared_valkey, ledger_url, dead_after_seconds=0) as feed:
        rename(ledger_url, "ledger_entries", "elsewhere")
        with pytest.raises(LedgerError):
            await feed.worker.drain()
        assert waiting(shared_valkey, world) == 3
        rename(ledger_url, "elsewhere", "ledger_entries")
        async with running(feed.worker):
            await eventually_async(lambda: waiting(shared_valkey, world) == 0, timeout_seconds=10)
    assert len(kept(engine)) == 1
    world.close()


async def test_a_worker_waits_out_a_store_that_lost_its_groups(
    shared_valkey: ThrowawayValkey, ledger_url: URL, engine: Engine
) -> None:
    async with ledger_feed(shared_valkey, ledger_url) as feed, running(feed.worker):
        await eventually_async(lambda: feed.worker.problem is None, timeout_seconds=10)
        world = HoldWorld(shared_valkey)  # empties the store
        world.settle(world.admit())
        await eventually_async(lambda: len(kept(engine)) == 1, timeout_seconds=20)
    world.close()
