"""Puts the operator together and runs it: the only module that knows all the others."""

import asyncio
import contextlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Final

import kopf
import structlog

from fluxrouter_operator import watching
from fluxrouter_operator.clients.channel import Channel
from fluxrouter_operator.clients.cluster import Cluster, connected_cluster
from fluxrouter_operator.clients.errors import ClientError
from fluxrouter_operator.clients.server import Server, ServerClient
from fluxrouter_operator.observed import API_VERSION
from fluxrouter_operator.reconcile.reconciler import Reconciler
from fluxrouter_operator.reconcile.server_health import ServerHealth
from fluxrouter_operator.reconcile.view import View
from fluxrouter_operator.reconcile.world import World
from fluxrouter_operator.settings import Settings

__all__ = ["Wrap", "run"]

_log = structlog.get_logger()

_RETRY_SECONDS: Final = 2.0

#: Puts something around both clients; tests make them fail where they like.
Wrap = Callable[[Server, Cluster], tuple[Server, Cluster]]


def _as_they_are(server: Server, cluster: Cluster) -> tuple[Server, Cluster]:
    return server, cluster


async def run(settings: Settings, wrap: Wrap = _as_they_are) -> None:
    """Runs the operator until a signal or a failure ends it.

    Raises:
        InsecureTarget: the token would travel in plain text.
        ExceptionGroup: a loop failed; that is a bug, and a restart begins from the cluster's state.
    """
    channel = Channel(settings.target)
    async with connected_cluster() as client:
        health = ServerHealth(_now, timedelta(seconds=settings.grace_seconds))
        server, cluster = wrap(ServerClient(channel, health), client)
        world = World(View(), server, cluster, health, settings.pace, _now)
        reconciler = Reconciler(world, settings.namespaces)
        try:
            await _fill(reconciler, cluster)
            await _watch_and_reconcile(settings, reconciler)
        finally:
            await channel.close()


async def _watch_and_reconcile(settings: Settings, reconciler: Reconciler) -> None:
    """Runs kopf and the loops beside each other; the end of either ends both."""
    stop, ready = asyncio.Event(), asyncio.Event()
    registry = watching.registry(reconciler)

    async def reconcile() -> None:
        try:
            await reconciler.run()
        finally:
            stop.set()

    loops = asyncio.create_task(reconcile())
    announcing = asyncio.create_task(_announce(settings, ready))

    # Before kopf takes them for tasks that hang, and waits for them.
    @kopf.on.cleanup(registry=registry)
    async def end(**_: object) -> None:
        loops.cancel()
        await asyncio.wait([loops])

    try:
        await kopf.operator(
            registry=registry,
            settings=watching.settings(),
            standalone=True,
            clusterwide=not settings.namespaces,
            namespaces=settings.namespaces,
            liveness_endpoint=_liveness_url(settings),
            stop_flag=stop,
            ready_flag=ready,
        )
    finally:
        announcing.cancel()
        loops.cancel()
    with contextlib.suppress(asyncio.CancelledError):
        await loops


async def _announce(settings: Settings, ready: asyncio.Event) -> None:
    await ready.wait()
    _log.info("operator_ready", server=settings.target.address)
    if settings.ready_file is not None:
        settings.ready_file.touch()


async def _fill(reconciler: Reconciler, cluster: Cluster) -> None:
    """Waits for the custom resource definitions, and lists what there is of them."""
    while True:
        try:
            # kopf looks for them once, at its start.
            if await cluster.serves_our_kinds():
                await reconciler.fill()
                return
            _log.warning("kinds_missing", remedy=f"install the CRDs of {API_VERSION}")
        except ClientError as error:
            _log.warning("cluster_not_listed", error=str(error))
        await asyncio.sleep(_RETRY_SECONDS)


def _liveness_url(settings: Settings) -> str | None:
    return f"http://{settings.liveness_address}/healthz" if settings.liveness_address else None


def _now() -> datetime:
    return datetime.now(UTC)
