"""Months end in every zone, clocks that change included: no instant in none or in two of them."""

from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from sqlalchemy.engine import URL

from fluxrouter_server.domain.ledger import EntryKind, LedgerEntry
from fluxrouter_server.ledger.engines import read_ledger_url, sqlite_url
from fluxrouter_server.ledger.reader import SqlLedgerReader
from fluxrouter_server.services.ports.ledger import EntryFilter
from fluxrouter_testing.hold_documents import HOUR_US
from fluxrouter_testing.hold_world import HoldWorld
from fluxrouter_testing.ledger_feed import ledger_feed
from fluxrouter_testing.valkey import ThrowawayValkey

MONTHS = 14
COST = 5_000_000
ZONES = (
    ("UTC", 1),
    ("Europe/Berlin", 31),
    ("Europe/London", 29),
    ("America/New_York", 1),
    ("America/Sao_Paulo", 15),
    ("America/Santiago", 5),  # clocks change at midnight
    ("Africa/Cairo", 30),  # at midnight, too
    ("Asia/Beirut", 29),  # at midnight, too
    ("Asia/Kolkata", 1),
    ("Australia/Lord_Howe", 4),  # by half an hour
    ("Pacific/Chatham", 5),  # 12:45 ahead of UTC
    ("America/St_Johns", 8),
)


@pytest.fixture
def world(shared_valkey: ThrowawayValkey) -> Iterator[HoldWorld]:
    world = HoldWorld(shared_valkey)
    yield world
    world.close()


def spend_at_each_end(world: HoldWorld) -> list[int]:
    """Settles in the first and the last microsecond of each month; returns the instants."""
    instants = []
    for _ in range(MONTHS):
        world.settle(world.admit())
        instants.append(world.now_us)
        period = world.open_period
        assert period is not None
        world.now_us = period.end_us - 1
        world.settle(world.admit())
        instants.append(world.now_us)
        world.now_us = period.end_us
    return instants


async def settlements(
    world: HoldWorld, server: ThrowawayValkey, url: URL
) -> tuple[list[LedgerEntry], list[int]]:
    """What the ledger has: settlements in their order, and what each of their months came to."""
    world.advance(3 * 3600)
    await world.sweeper.sweep()
    async with ledger_feed(server, url) as feed:
        await feed.worker.drain()
    reader = SqlLedgerReader(url)
    wanted = EntryFilter(kinds=frozenset({EntryKind.SETTLEMENT}))
    found = [entry async for part in reader.export(world.uid, wanted) for entry in part]
    starts = sorted({entry.period_start_us for entry in found})
    used = [await reader.period_usage(world.uid, start_us) for start_us in starts]
    reader.close()
    return found, [sum(one.sums.funds.billed_nano_usd for one in part.slices) for part in used]


@pytest.mark.parametrize("place", ZONES, ids=[zone for zone, _ in ZONES])
async def test_no_instant_is_in_no_month_or_in_two(
    world: HoldWorld, shared_valkey: ThrowawayValkey, tmp_path: Path, place: tuple[str, int]
) -> None:
    url = read_ledger_url(sqlite_url(tmp_path / "ledger.sqlite3"))
    zone, anchor_day = place
    world.put_account(time_zone=zone, anchor_day=anchor_day)
    instants = spend_at_each_end(world)
    found, by_month = await settlements(world, shared_valkey, url)
    assert [entry.time_us for entry in found] == instants
    spans = sorted({(one.period, one.period_start_us, one.period_end_us) for one in found})
    assert [number for number, _, _ in spans] == list(range(1, MONTHS + 1))
    for (_, _, end_us), (_, start_us, _) in pairwise(spans):
        assert end_us == start_us
    for entry in found:
        assert entry.period_start_us <= entry.time_us < entry.period_end_us
    assert by_month == [2 * COST] * MONTHS
    days = [(end_us - start_us) / (24 * HOUR_US) for _, start_us, end_us in spans[1:]]
    assert all(27.9 < length < 31.1 for length in days)
