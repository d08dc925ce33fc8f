"""Puts the HTTP edge over the core of the process that it runs in."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from secrets import token_hex
from time import monotonic
from typing import Final

from fluxrouter_server.bootstrap.core import Core
from fluxrouter_server.bootstrap.upstream_clusters import CATALOG_SECONDS, upstream_secrets
from fluxrouter_server.dialects.admitting import Admitting
from fluxrouter_server.domain.limits import CatalogRecord
from fluxrouter_server.edge.app import EdgeApp
from fluxrouter_server.edge.attempts import Attempts
from fluxrouter_server.edge.counting import Counting
from fluxrouter_server.edge.directory import CatalogDirectory
from fluxrouter_server.edge.endings import EDGE, Endings
from fluxrouter_server.edge.exchange import Exchange
from fluxrouter_server.edge.keeping import Keeper
from fluxrouter_server.edge.upstreams import Health, UpstreamCalls
from fluxrouter_server.services.recurring import Recurring

__all__ = ["open_edge"]

#: How long settlements that the store has not taken are still repeated after the last request.
_FINISH_SECONDS: Final = 5.0
#: Envoy is to have an upstream's cluster before it is called.
_HEAD_START_SECONDS: Final = 2 * CATALOG_SECONDS
_REQUEST_ID_BYTES: Final = 16


@asynccontextmanager
async def open_edge(
    core: Core, calls: UpstreamCalls, *, credentials: Path | None, simulator_url: str
) -> AsyncIterator[EdgeApp]:
    """Yields the edge; on leaving, finishes its settlements.

    Args:
        core: What decides.
        calls: Calls upstreams.
        credentials: Folder with upstreams' credentials; None where there is none.
        simulator_url: Where models are answered whose upstream is not described; empty: nowhere.
    """
    use_cases, stores = core.use_cases, core.stores
    directory = CatalogDirectory(lambda: upstream_secrets(credentials), simulator_url)
    health, endings = Health(monotonic), Endings(use_cases.metering)
    attempts = Attempts(
        admitting=Admitting(use_cases.routes, EDGE, endings.receipt_of),
        endings=endings,
        keeper=Keeper(use_cases.metering, stores.clock.now_us),
        calls=calls,
        directory=directory,
        health=health,
        telemetry=core.metrics,
    )

    newest: tuple[CatalogRecord | None, float] = (None, 0.0)

    async def follow() -> None:
        nonlocal newest
        record, is_first = await stores.quick.catalogs.get_catalog(), newest[0] is None
        if record != newest[0]:
            newest = (record, monotonic())
        if is_first or monotonic() - newest[1] > _HEAD_START_SECONDS:
            directory.update(None if record is None else record.catalog)

    following = Recurring("follow the catalog", follow, interval_seconds=CATALOG_SECONDS)
    await following.run_once()
    following.start()
    try:
        yield EdgeApp(
            authenticator=use_cases.authenticator,
            routes=use_cases.routes,
            exchange=Exchange(attempts, endings, core.metrics),
            counting=Counting(use_cases.caps, calls=calls, directory=directory, health=health),
            random=lambda: token_hex(_REQUEST_ID_BYTES),
            telemetry=core.metrics,
        )
    finally:
        await following.stop()
        await endings.finish(_FINISH_SECONDS)
