"""The ledger's database as the rest of the server calls it."""

from collections.abc import Sequence

from sqlalchemy import Engine
from sqlalchemy.engine import URL

from fluxrouter_server.domain.ledger import AnyEntry
from fluxrouter_server.ledger.engines import SqlThreads, open_engine, prepare
from fluxrouter_server.ledger.writing import append_entries

__all__ = ["SqlLedgerBook"]


class SqlLedgerBook:
    """Implements `LedgerBook`: writes, in one thread, and brings the schema up to date.

    Args:
        url: Of `engines.read_ledger_url`.
    """

    def __init__(self, url: URL) -> None:
        self._engine = open_engine(url, is_writer=True)
        self._threads = SqlThreads(threads=1, name="ledger-writer")

    async def open(self) -> None:
        """Bring the database to this server's schema.

        Raises:
            LedgerUnavailable: It does not answer.
            LedgerRefused: A newer server wrote it.
        """
        await self._threads.run(prepare, self._engine)

    async def append(self, entries: Sequence[AnyEntry]) -> int:
        """Keep all that it does not have yet, or none; returns how many were new.

        Raises:
            LedgerUnavailable: Nothing was written, or all of it was: append it again.
            LedgerRefused: The database does not take it.
        """
        return await self._threads.run(_append, self._engine, entries)

    def close(self) -> None:
        """End the thread and the connection."""
        self._threads.close()
        self._engine.dispose()


def _append(engine: Engine, entries: Sequence[AnyEntry]) -> int:
    with engine.begin() as connection:
        return append_entries(connection, entries)
