import pytest
from alembic.autogenerate import compare_metadata
from alembic.runtime.migration import MigrationContext
from sqlalchemy import Engine, text
from sqlalchemy.engine import URL

from fluxrouter_server.ledger.book import SqlLedgerBook
from fluxrouter_server.ledger.engines import open_engine
from fluxrouter_server.ledger.tables import METADATA
from fluxrouter_server.services.ports.ledger import LedgerRefused


def test_the_migrations_make_the_tables_that_the_code_expects(engine: Engine) -> None:
    with engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"version_table": "ledger_schema", "compare_type": True}
        )
        assert compare_metadata(context, METADATA) == []


async def test_opening_a_ledger_again_changes_nothing(book: SqlLedgerBook, engine: Engine) -> None:
    await book.open()
    with engine.connect() as connection:
        assert connection.scalars(text("SELECT version_num FROM ledger_schema")).all() == ["0001"]


async def test_a_ledger_of_a_newer_server_is_refused(book: SqlLedgerBook, ledger_url: URL) -> None:
    engine = open_engine(ledger_url, is_writer=True)
    with engine.begin() as connection:
        connection.execute(text("UPDATE ledger_schema SET version_num = '9999'"))
    engine.dispose()
    with pytest.raises(LedgerRefused, match=r"schema 9999.*newer one"):
        await book.open()
