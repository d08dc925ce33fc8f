"""The process that brings entries from the store into SQL; `ledger` starts it.

It ends when its standard input does, after it has brought over what waits. Killed at any moment, it
loses nothing.
"""

import asyncio
import os
import pickle
import socket
import sys
from typing import Final

import structlog
import uvloop

from fluxrouter_server.bootstrap.ledger import LedgerOrders
from fluxrouter_server.ledger.book import SqlLedgerBook
from fluxrouter_server.ledger.engines import read_ledger_url
from fluxrouter_server.ledger.worker import LedgerWorker
from fluxrouter_server.services.ports.errors import StoreError
from fluxrouter_server.store.access import store_client
from fluxrouter_server.store.ledger_stream import ValkeyLedgerStream
from fluxrouter_server.store.scripts import read_scripts
from fluxrouter_server.telemetry.logs import set_up_logs

__all__ = ["main"]

_log = structlog.get_logger(__name__)

_LAST_SECONDS: Final = 5.0
"""For what waits when the server ends; what is left waits in the store."""


def main() -> None:
    """Reads orders from standard input and works until that ends."""
    orders = pickle.load(sys.stdin.buffer)  # noqa: S301 - written by our own parent
    if not isinstance(orders, LedgerOrders):
        sys.exit("this process is started by `fluxrouter serve`")
    set_up_logs(orders.log_format, orders.log_level)
    uvloop.run(_run(orders))


async def _run(orders: LedgerOrders) -> None:
    book = SqlLedgerBook(read_ledger_url(orders.url))
    async with store_client(orders.store, scripts=read_scripts()) as client:
        stream = ValkeyLedgerStream(
            client, read_scripts(), worker=f"{socket.gethostname()}-{os.getpid()}"
        )
        worker = LedgerWorker(stream=stream, book=book)
        working = asyncio.create_task(worker.run(), name="ledger-worker")
        await asyncio.to_thread(sys.stdin.buffer.read)
        working.cancel()
        await asyncio.wait([working])
        try:
            await asyncio.wait_for(worker.drain(), _LAST_SECONDS)
        except (StoreError, TimeoutError) as error:
            _log.warning("ledger_not_drained", reason=str(error))
    book.close()


if __name__ == "__main__":
    main()
