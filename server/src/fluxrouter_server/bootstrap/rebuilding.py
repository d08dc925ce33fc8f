"""Has a store that lost its data rebuilt from the ledger, while the server answers UNAVAILABLE."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Hashable
from contextlib import asynccontextmanager
from typing import Final

import structlog

from fluxrouter_server.bootstrap.stores import Stores, clock_kind, hold_timing, witness_of
from fluxrouter_server.ledger.engines import read_ledger_url
from fluxrouter_server.ledger.rebuild_source import SqlRebuildSource
from fluxrouter_server.services.ports.ledger import LedgerUnavailable
from fluxrouter_server.services.rebuilding import Rebuilding
from fluxrouter_server.services.recurring import Recurring
from fluxrouter_server.settings import Settings
from fluxrouter_server.store.restoring import ValkeyShardRestorer
from fluxrouter_server.store.scripts import read_scripts

__all__ = ["rebuilding"]

_log = structlog.get_logger(__name__)

_LOOK_SECONDS: Final = 0.2
_START_SECONDS: Final = 10.0


@asynccontextmanager
async def rebuilding(settings: Settings, stores: Stores, url: str) -> AsyncIterator[None]:
    """Looks for lost data at the start and when the store was restarted or is fenced, until left.

    Raises:
        StoreError: The store does not answer.
    """
    layout = stores.layout

    def announce(progress: str | None) -> None:
        layout.progress = progress

    source = SqlRebuildSource(read_ledger_url(url))
    work = Rebuilding(
        source=source,
        restorer=ValkeyShardRestorer(
            stores.client,
            read_scripts(),
            kind=clock_kind(settings),
            clock=stores.clock,
            timing=hold_timing(settings),
            witness=witness_of(settings),
        ),
        announce=announce,
        adopt=layout.open,
    )

    has_looked = asyncio.Event()
    compared = _Comparison(stores, work)

    async def look() -> None:
        try:
            await compared.refresh()
            if layout.fence is not None:
                await work.run()
        finally:
            has_looked.set()

    looking = Recurring("rebuild what the store lost", look, interval_seconds=_LOOK_SECONDS)
    try:
        await compared.refresh()
    except LedgerUnavailable as error:
        _log.warning("store_not_compared_with_ledger", reason=str(error))
        await layout.accept(stores.client.life)
    looking.start()
    try:
        await _wait_for(has_looked)
        yield
    finally:
        await looking.stop()
        source.close()


class _Comparison:
    """Compares the store with the ledger, once in each life of its process.

    A store that comes back from a crash, a backup or a fail-over may hold an older state of the
    very data that this server trusts, which no marker tells.
    """

    def __init__(self, stores: Stores, work: Rebuilding) -> None:
        self._stores = stores
        self._work = work
        self._compared: Hashable = None

    async def refresh(self) -> None:
        """Compare, unless this life was compared already or the store is fenced for another reason.

        Raises:
            StoreError: Store or ledger do not answer.
        """
        life, layout = self._stores.client.life, self._stores.layout
        is_noted = life == self._compared and layout.compared is not None
        if life is None or is_noted or (layout.fence is not None and layout.is_compared):
            return
        await self._work.close_outdated()
        if life == self._stores.client.life:  # else it was another one that was compared
            await layout.accept(life)
            self._compared = life


async def _wait_for(has_looked: asyncio.Event) -> None:
    """Gives a rebuild that takes seconds the time, so that the start finds what it needs.

    A longer one goes on while the server answers UNAVAILABLE.
    """
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(has_looked.wait(), _START_SECONDS)
