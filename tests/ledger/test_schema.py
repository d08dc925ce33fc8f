import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, text
from sqlalchemy.engine import URL

from fluxrouter_server.domain.ledger import LedgerEntry
from fluxrouter_server.ledger.book import SqlLedgerBook
from fluxrouter_server.ledger.engines import open_engine
from fluxrouter_server.ledger.reader import SqlLedgerReader
from fluxrouter_server.ledger.schema import migrate
from fluxrouter_server.ledger.tables import METADATA
from fluxrouter_server.ledger.writing import append_entries
from fluxrouter_server.services.ports.ledger import CounterQuery, EntryFilter, LedgerRefused
from fluxrouter_testing.ledger_samples import MONTH_START_US, SampleAccount

NEWEST = "0002"


def test_the_migrations_make_the_tables_that_the_code_expects(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": "ledger_schema", "compare_type": True}
        )
        assert compare_metadata(context, METADATA) == []


async def test_opening_a_ledger_again_changes_nothing(book: SqlLedgerBook, engine: Engine) -> None:
    await book.open()
    with engine.connect() as connection:
        assert connection.scalars(text("SELECT version_num FROM ledger_schema")).all() == [NEWEST]


async def test_a_ledger_of_a_newer_server_is_refused(book: SqlLedgerBook, ledger_url: URL) -> None:
    engine = open_engine(ledger_url, is_writer=True)
    with engine.begin() as connection:
        connection.execute(text("UPDATE ledger_schema SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(LedgerRefused, match=r"schema 9999.*newer one"):
        await book.open()


def write_as_the_first_release(url: URL, account: SampleAccount) -> list[LedgerEntry]:
    """Makes the first schema, and entries, documents and sums in it."""
    engine = open_engine(url, is_writer=True)
    settled = [account.settlement(labels={"team": "search"}) for _ in range(50)]
    with engine.begin() as connection:
        migrate(connection, to="0001")
        append_entries(connection, [account.document(), *settled])
    engine.dispose()
    return settled


async def test_a_ledger_of_the_first_schema_is_upgraded_with_all_its_data(ledger_url: URL) -> None:
    account = SampleAccount()
    settled = write_as_the_first_release(ledger_url, account)
    book, reader = SqlLedgerBook(ledger_url), SqlLedgerReader(ledger_url)
    used = await reader.period_usage(account.uid, MONTH_START_US)
    await book.open()
    found = [entry async for part in reader.export(None, EntryFilter()) for entry in part]
    assert found == settled
    assert await reader.period_usage(account.uid, MONTH_START_US) == used
    assert await book.append([*settled, account.settlement()]) == 1
    (derived,) = await reader.derive([CounterQuery(account.uid, 52, 0)])
    assert (derived.entries, derived.periods[0].settled["a"]) == (52, 51 * 5_000_000)
    reader.close()
    book.close()
    engine = open_engine(ledger_url, is_writer=False)
    with engine.connect() as connection:
        assert connection.scalars(text("SELECT version_num FROM ledger_schema")).all() == [NEWEST]
        context = MigrationContext.configure(
            connection, opts={"version_table": "ledger_schema", "compare_type": True}
        )
        assert compare_metadata(context, METADATA) == []
    engine.dispose()
