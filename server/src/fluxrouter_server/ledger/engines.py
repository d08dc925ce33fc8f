"""Connects to the ledger's database: a SQLite file or PostgreSQL, by URL.

SQLAlchemy's blocking engine is used, in threads of its own (`SqlThreads`), and not its asyncio
layer: that one runs the same blocking code in greenlets, so each row costs more, and SQLite has no
other way anyhow. One code path serves both databases.
"""

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, Final, TypeVar

import psycopg
from sqlalchemy import Engine, create_engine, event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError, DBAPIError, InterfaceError, OperationalError

from fluxrouter_server.ledger.schema import migrate
from fluxrouter_server.services.ports.ledger import LedgerError, LedgerRefused, LedgerUnavailable

__all__ = ["SqlThreads", "open_engine", "read_ledger_url", "sqlite_url"]

T = TypeVar("T")

_BUSY_SECONDS: Final = 15
"""How long SQLite waits for another process's transaction; ours last a second at most."""

_READERS: Final = 4
"""Queries that run at the same time; more would only wait for the same two disks."""


def sqlite_url(path: Path) -> str:
    """The URL of a SQLite file."""
    return f"sqlite:///{path}"


def read_ledger_url(text: str) -> URL:
    """Read `sqlite:////path/to/file` or `postgresql://user:password@host/database`.

    Raises:
        LedgerRefused: It is neither.
    """
    try:
        url = make_url(text)
    except ArgumentError:
        url = None
    kind = None if url is None else url.get_backend_name()
    if (
        url is None
        or kind not in {"sqlite", "postgresql"}
        or (kind == "sqlite" and not url.database)
    ):
        raise LedgerRefused(
            "--ledger-url: write sqlite:////path/to/ledger.sqlite3 or "
            "postgresql://user:password@host:5432/database"
        )
    return url.set(drivername="postgresql+psycopg") if kind == "postgresql" else url


def open_engine(url: URL, *, is_writer: bool) -> Engine:
    """Make an engine; nothing is connected yet.

    Args:
        url: Of `read_ledger_url`.
        is_writer: Transactions take SQLite's write lock at once, so that none fails half way
            because another one wrote in between.
    """
    if url.get_backend_name() == "postgresql":
        return create_engine(url, pool_size=1 if is_writer else _READERS, pool_pre_ping=True)
    engine = create_engine(url, connect_args={"timeout": _BUSY_SECONDS, "check_same_thread": False})
    event.listen(engine, "connect", _prepare_sqlite)
    begin = "BEGIN IMMEDIATE" if is_writer else "BEGIN"
    event.listen(engine, "begin", lambda connection: connection.exec_driver_sql(begin))
    return engine


def prepare(engine: Engine) -> None:
    """Bring the database to this server's schema; needs a writer's engine."""
    with engine.begin() as connection:
        migrate(connection)


class SqlThreads:
    """Runs blocking SQL apart from the event loop, and names what went wrong."""

    def __init__(self, *, threads: int, name: str) -> None:
        self._executor = ThreadPoolExecutor(threads, thread_name_prefix=name)

    async def run(self, work: Callable[..., T], *args: Any) -> T:  # noqa: ANN401 - passed on
        """Run it in a thread.

        Raises:
            LedgerUnavailable: The database does not answer, or it is locked for too long.
            LedgerRefused: It does not take our statements.
        """
        loop = asyncio.get_running_loop()
        try:
            return await loop.run_in_executor(self._executor, work, *args)
        except (DBAPIError, psycopg.Error) as error:
            raise _named(error) from error

    def close(self) -> None:
        """Wait for what runs, and end the threads."""
        self._executor.shutdown(wait=True, cancel_futures=True)


def _prepare_sqlite(connection: Any, _record: object) -> None:  # noqa: ANN401 - the driver's own
    connection.isolation_level = None  # transactions begin where the engine says
    for pragma in ("journal_mode = WAL", "synchronous = FULL", "foreign_keys = ON"):
        # FULL: an entry leaves the store once this file has it, so it must outlive a power cut.
        connection.execute(f"PRAGMA {pragma}")


def _named(error: DBAPIError | psycopg.Error) -> LedgerError:
    """Our error for one of the driver's, which comes bare where the driver is used directly."""
    cause = error.orig if isinstance(error, DBAPIError) else error
    message = f"the ledger's database: {str(cause).partition(chr(10))[0]}"
    is_away = isinstance(error, OperationalError | InterfaceError) or isinstance(
        cause, psycopg.OperationalError | psycopg.InterfaceError
    )
    if is_away or (isinstance(error, DBAPIError) and error.connection_invalidated):
        return LedgerUnavailable(message)
    return LedgerRefused(message)
