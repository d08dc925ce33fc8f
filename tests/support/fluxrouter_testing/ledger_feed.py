"""A worker between a real store and a real database, put together as a server does it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy.engine import URL

from fluxrouter_server.ledger.book import SqlLedgerBook
from fluxrouter_server.ledger.worker import LedgerWorker
from fluxrouter_server.store.ledger_stream import ValkeyLedgerStream
from fluxrouter_testing.control_stores import SCRIPTS, connected
from fluxrouter_testing.valkey import ThrowawayValkey

__all__ = ["LedgerFeed", "ledger_feed"]


@dataclass(frozen=True)
class LedgerFeed:
    """A worker and its two ends."""

    stream: ValkeyLedgerStream
    book: SqlLedgerBook
    worker: LedgerWorker


@asynccontextmanager
async def ledger_feed(
    server: ThrowawayValkey, url: URL, *, worker: str = "worker-1", dead_after_seconds: float = 10.0
) -> AsyncIterator[LedgerFeed]:
    """Connects both ends; nothing moves before the worker is told to."""
    book = SqlLedgerBook(url)
    await book.open()
    async with connected(server) as client:
        stream = ValkeyLedgerStream(
            client, SCRIPTS, worker=worker, dead_after_seconds=dead_after_seconds
        )
        yield LedgerFeed(stream, book, LedgerWorker(stream=stream, book=book))
    book.close()
