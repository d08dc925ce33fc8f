"""Where the ledger is kept, and that it is ready before the store is judged."""

from typing import Final

import structlog

from fluxrouter_server.services.ports.ledger import LedgerUnavailable
from fluxrouter_server.settings import Settings

__all__ = ["ledger_url", "prepare_ledger"]

_log = structlog.get_logger(__name__)

_FILE_NAME: Final = "ledger.sqlite3"


def ledger_url(settings: Settings) -> str:
    """Returns the ledger's URL; empty where none is kept."""
    if settings.ledger_url or settings.store is not None:
        return settings.ledger_url
    from fluxrouter_server.ledger.engines import sqlite_url  # noqa: PLC0415 - as below

    return sqlite_url(settings.data_dir / _FILE_NAME)


async def prepare_ledger(settings: Settings) -> bool | None:
    """Brings the ledger's schema up to date, and returns whether it knows the store already.

    A database that is away keeps no server from starting: its worker waits for it. What it knows is
    then not known: None.

    Raises:
        LedgerRefused: The URL is none, or a newer server wrote it.
    """
    url = ledger_url(settings)
    if not url:
        return False
    # SQL's libraries take long to import, and processes that keep no ledger never need them.
    from fluxrouter_server.ledger.book import SqlLedgerBook  # noqa: PLC0415
    from fluxrouter_server.ledger.engines import read_ledger_url  # noqa: PLC0415
    from fluxrouter_server.ledger.rebuild_source import SqlRebuildSource  # noqa: PLC0415

    if settings.store is None:
        settings.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
    book, source = SqlLedgerBook(read_ledger_url(url)), SqlRebuildSource(read_ledger_url(url))
    try:
        await book.open()
        return await source.knows_store()
    except LedgerUnavailable as error:
        _log.warning("ledger_unavailable", reason=str(error))
        return None
    finally:
        book.close()
        source.close()
