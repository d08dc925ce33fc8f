"""Brings a database to the schema of this server, and refuses one that is newer."""

from typing import Final

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from sqlalchemy import Connection, text

from fluxrouter_server.services.ports.ledger import LedgerRefused

__all__ = ["migrate"]

_VERSION_TABLE: Final = "ledger_schema"
_LOCK: Final = 0x666C7578
"""Number of PostgreSQL's advisory lock (`flux`): of servers that start at once, one migrates."""


def migrate(connection: Connection, *, to: str = "head") -> None:
    """Run the migrations that are missing, inside the connection's transaction.

    Args:
        connection: To the database.
        to: The last one to run; a test that begins with an older schema names it.

    Raises:
        LedgerRefused: A newer server wrote this schema.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:lock)"), {"lock": _LOCK})
    config = Config()
    config.set_main_option("script_location", "fluxrouter_server.ledger:migrations")
    config.set_main_option("path_separator", "os")
    config.attributes["connection"] = connection
    known = {script.revision for script in ScriptDirectory.from_config(config).walk_revisions()}
    context = MigrationContext.configure(connection, opts={"version_table": _VERSION_TABLE})
    found = context.get_current_revision()
    if found is not None and found not in known:
        raise LedgerRefused(
            f"the ledger's database has schema {found}, which this server does not know: run the "
            "server version that wrote it, or a newer one"
        )
    command.upgrade(config, to)
