"""Every test here writes to a real database; most run on both kinds."""

from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path

import pytest
from sqlalchemy import Engine
from sqlalchemy.engine import URL

from fluxrouter_server.cli.resource_files import read_resources
from fluxrouter_server.ledger.book import SqlLedgerBook
from fluxrouter_server.ledger.engines import open_engine, read_ledger_url, sqlite_url
from fluxrouter_testing.customers import account, connected, plan
from fluxrouter_testing.fleet import Fleet, running_fleet
from fluxrouter_testing.postgres import ThrowawayPostgres, running_postgres
from fluxrouter_testing.shop import Shop
from fluxrouter_testing.store_fixtures import shared_valkey, shared_valkey_process

__all__ = ["shared_valkey", "shared_valkey_process"]

_ROOT = Path(__file__).resolve().parents[2]
_START_US = 1_800_000_000_000_000  # 2027-01-15T08:00:00Z
_numbers = count(1)


@pytest.fixture(scope="session")
def postgres() -> Iterator[ThrowawayPostgres]:
    """One server for all tests that do not stop it."""
    with running_postgres() as server:
        yield server


@pytest.fixture(params=["sqlite", "postgresql"])
def ledger_url(request: pytest.FixtureRequest, tmp_path: Path) -> URL:
    """An empty database of either kind."""
    if request.param == "sqlite":
        return read_ledger_url(sqlite_url(tmp_path / "ledger.sqlite3"))
    server: ThrowawayPostgres = request.getfixturevalue("postgres")
    return server.create_database(f"ledger_{next(_numbers)}")


@pytest.fixture
async def book(ledger_url: URL) -> AsyncIterator[SqlLedgerBook]:
    """A ledger that is ready to be written."""
    book = SqlLedgerBook(ledger_url)
    await book.open()
    yield book
    book.close()


@pytest.fixture
def engine(book: SqlLedgerBook, ledger_url: URL) -> Iterator[Engine]:  # noqa: ARG001 - migrates it
    """Looks at what the ledger has written."""
    engine = open_engine(ledger_url, is_writer=False)
    yield engine
    engine.dispose()


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    """A server with a ledger, on a simulated clock."""
    with running_fleet(servers=1, start_us=_START_US, with_ledger=True) as started:
        yield started


@pytest.fixture
async def shop(fleet: Fleet) -> AsyncIterator[Shop]:
    """A customer with a dollar a month on that server."""
    catalog = read_resources([str(_ROOT / "examples" / "resources" / "catalog.yaml")])
    async with connected(fleet.servers[0].address) as connection:
        await connection.apply(*catalog, plan("gold", "1.00"), account("shop", "gold"))
        yield Shop(connection, "shop", "gold", fleet.clock)
