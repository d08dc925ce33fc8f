"""The ledger beside a server: the process that fills it, and what reads it here.

The worker is a process of its own: reading and writing entries costs CPU that decisions must not
wait for, and it may be killed without harm. It is told what to do over its standard input, whose
end tells it that the server is gone.
"""

import asyncio
import pickle
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final, NoReturn

import structlog

from fluxrouter_server.bootstrap.ledger_schema import ledger_url
from fluxrouter_server.bootstrap.ledger_view import LedgerWatch, OpenLedger
from fluxrouter_server.bootstrap.no_ledger import NoLedger
from fluxrouter_server.bootstrap.rebuilding import rebuilding
from fluxrouter_server.bootstrap.stores import Stores
from fluxrouter_server.ledger.engines import read_ledger_url
from fluxrouter_server.ledger.reader import SqlLedgerReader
from fluxrouter_server.ledger.upkeep import SqlLedgerUpkeep
from fluxrouter_server.services.recurring import Recurring
from fluxrouter_server.settings import Role, Settings
from fluxrouter_server.store.access import StoreAccess
from fluxrouter_server.store.ledger_stream import ValkeyLedgerStream
from fluxrouter_server.store.scripts import read_scripts
from fluxrouter_server.telemetry.logs import LogFormat, LogLevel

__all__ = ["LedgerOrders", "open_ledger"]

_log = structlog.get_logger(__name__)

_WATCH_SECONDS: Final = 5.0
_RESTART_SECONDS: Final = 1.0
_END_SECONDS: Final = 10.0
"""How long a worker may take to bring over what waits when the server ends."""


@dataclass(frozen=True, slots=True)
class LedgerOrders:
    """What a worker process is told."""

    store: StoreAccess
    url: str
    log_format: LogFormat
    log_level: LogLevel


@asynccontextmanager
async def open_ledger(settings: Settings, stores: Stores) -> AsyncIterator[OpenLedger]:
    """Reads the ledger, and keeps it but for the role `serve`, until left; then brings the rest.

    Args:
        settings: Where it is kept.
        stores: What it is fed from.

    Raises:
        LedgerRefused: The URL is none.
    """
    url = ledger_url(settings)
    if not url:
        if settings.role is not Role.SERVE:
            _log.warning("no_ledger_kept", remedy="give --ledger-url, or entries stay in the store")
        await stores.layout.accept_any()
        yield OpenLedger(NoLedger(), NoLedger(), None)
        return
    reader = SqlLedgerReader(read_ledger_url(url))
    upkeep = SqlLedgerUpkeep(read_ledger_url(url))
    watch = LedgerWatch(ValkeyLedgerStream(stores.client, read_scripts(), worker="watch"))
    watching = Recurring("count the ledger's backlog", watch.look, interval_seconds=_WATCH_SECONDS)
    orders = LedgerOrders(stores.access, url, settings.log_format, settings.log_level)
    keeper = (
        None
        if settings.role is Role.SERVE
        else asyncio.create_task(_keep_running(orders), name="keep the ledger's worker running")
    )
    watching.start()
    try:
        async with rebuilding(settings, stores, url):
            yield OpenLedger(reader, upkeep, watch)
    finally:
        await watching.stop()
        if keeper is not None:
            keeper.cancel()
            await asyncio.wait([keeper])
        reader.close()
        upkeep.close()


async def _keep_running(orders: LedgerOrders) -> NoReturn:
    """Runs the worker process, again whenever it ends; on cancellation lets it finish."""
    while True:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "fluxrouter_server.bootstrap.ledger_process",
            stdin=asyncio.subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is the server's; this one ends after it
        )
        try:
            if process.stdin is not None:
                process.stdin.write(pickle.dumps(orders))
                await process.stdin.drain()
            code = await process.wait()
        except asyncio.CancelledError:
            await _end(process)
            raise
        except ConnectionError:
            code = await process.wait()
        _log.warning("ledger_worker_ended", exit_code=code, remedy="starting it again")
        await asyncio.sleep(_RESTART_SECONDS)


async def _end(process: asyncio.subprocess.Process) -> None:
    """Tells the worker that it is over, and waits until it has finished, with patience."""
    if process.stdin is not None:
        process.stdin.close()
    try:
        await asyncio.wait_for(process.wait(), _END_SECONDS)
    except TimeoutError:
        process.kill()  # nothing is lost: what it was given is given to the next one
        await process.wait()
