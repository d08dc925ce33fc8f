"""Servers that leave the ledger to a process that does nothing else."""

import contextlib
import sqlite3
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from fluxrouter_server.cli.resource_files import read_resources
from fluxrouter_testing.customers import account, connected, plan
from fluxrouter_testing.fleet import Fleet, SimulatedClock, running_fleet
from fluxrouter_testing.shop import Shop
from fluxrouter_testing.waiting import eventually

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 30


@pytest.fixture
def fleet(tmp_path: Path) -> Iterator[Fleet]:
    """One server that takes calls only, on a store whose ledger is a file."""
    ledger = ("--ledger-url", f"sqlite:///{tmp_path}/ledger.sqlite3")
    with running_fleet(servers=1, options=(*ledger, "--role", "serve")) as fleet:
        yield fleet


@pytest.fixture
async def shop(fleet: Fleet, tmp_path: Path) -> AsyncIterator[Shop]:
    catalog = read_resources([str(ROOT / "examples" / "resources" / "catalog.yaml")])
    async with connected(fleet.servers[0].address) as connection:
        await connection.apply(*catalog, plan("gold", "1.00"), account("shop", "gold"))
        yield Shop(connection, "shop", "gold", SimulatedClock(tmp_path / "unused", 0))


def settlements(tmp_path: Path) -> int:
    query = "SELECT count(*) FROM ledger_entries WHERE kind = 'settlement'"
    with contextlib.closing(sqlite3.connect(tmp_path / "ledger.sqlite3")) as database:
        ((count,),) = database.execute(query)
        return int(count)


async def test_entries_wait_for_the_process_that_keeps_the_ledger(
    shop: Shop, fleet: Fleet, tmp_path: Path
) -> None:
    hold = await shop.route()
    await shop.settle(hold.hold_id, output_tokens=1)
    assert settlements(tmp_path) == 0

    keeper = fleet.start_server(
        *("--role", "ledger", "--ledger-url", f"sqlite:///{tmp_path}/ledger.sqlite3")
    )

    assert keeper.address == ""
    eventually(lambda: settlements(tmp_path) == 1, PATIENCE_SECONDS)
