"""Puts Envoy workers in front of a server: the shared port, their files, certificates and end."""

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from fluxrouter_server.bootstrap.envoy_certificates import envoy_certificates
from fluxrouter_server.bootstrap.methods import HOT_SERVICES
from fluxrouter_server.bootstrap.stores import Stores
from fluxrouter_server.bootstrap.upstream_clusters import upstream_clusters
from fluxrouter_server.bootstrap.worker_orders import ORDERS_VARIABLE, WorkerOrders, write_orders
from fluxrouter_server.edge.app import EDGE_PREFIXES
from fluxrouter_server.edge.simulator.server import simulator
from fluxrouter_server.settings import Address, Settings
from fluxrouter_server.transport.envoy_config import EnvoyPlan
from fluxrouter_server.transport.envoy_programs import EnvoyPrograms
from fluxrouter_server.transport.envoy_worker import EnvoyWorker, WorkerFiles
from fluxrouter_server.transport.reserved_port import reserved_port
from fluxrouter_server.transport.supervisor import Supervisor, supervised

__all__ = ["Front", "open_front", "private_directory"]

_APP: Final = "fluxrouter_server.bootstrap.envoy_app:app"


@dataclass(frozen=True, slots=True)
class Front:
    """Workers that take calls.

    Attributes:
        address: Where they listen.
        supervisor: Keeps them running.
        simulator_url: Where the upstream simulator listens; empty where there is none.
    """

    address: Address
    supervisor: Supervisor
    simulator_url: str = ""


@contextmanager
def private_directory() -> Iterator[Path]:
    """Makes a directory that nobody else may enter, with a short path, for sockets and orders."""
    path = Path(tempfile.mkdtemp(prefix="fluxrouter-"))  # mkdtemp makes it 0700
    try:
        yield path
    finally:
        shutil.rmtree(path, ignore_errors=True)


@asynccontextmanager
async def open_front(
    settings: Settings,
    stores: Stores,
    programs: EnvoyPrograms,
    *,
    directory: Path,
    rest_socket: Path,
) -> AsyncIterator[Front]:
    """Runs the workers until left; whoever leaves has drained them.

    Args:
        settings: What the server is told.
        stores: The opened stores, which the workers use, too.
        programs: What to run.
        directory: For their files.
        rest_socket: Where grpc.aio listens.

    Raises:
        ListenError: the address is taken, or not this machine's.
        TlsError: the certificates cannot be used.
        WorkerFailed: a worker did not come up.
    """
    listen = settings.listen
    async with AsyncExitStack() as stack:
        port = stack.enter_context(
            reserved_port(listen.host, listen.port, may_share=settings.reuse_port)
        )
        certificate, client_ca = await stack.enter_async_context(
            envoy_certificates(settings, directory)
        )
        upstreams = await stack.enter_async_context(_upstreams(settings, stores, directory))
        plan = EnvoyPlan(
            host=port.host,
            port=port.port,
            hot_prefixes=[
                *(f"/{service}/" for service in HOT_SERVICES),
                *(EDGE_PREFIXES if settings.edge else ()),
            ],
            module=programs.module,
            app=_APP,
            rest_socket=rest_socket,
            admin_socket=directory,  # each worker has its own
            certificate_file=certificate,
            client_ca_file=client_ca,
            clusters_file=upstreams.clusters,
        )
        orders = _orders(settings, stores, upstreams.simulator_url)
        workers = [
            _worker(programs, plan, WorkerFiles(directory, number), orders)
            for number in range(settings.workers)
        ]
        supervisor = await stack.enter_async_context(supervised(workers))
        yield Front(replace(listen, port=port.port), supervisor, upstreams.simulator_url)


@dataclass(frozen=True, slots=True)
class _Upstreams:
    """What the HTTP edge calls: the file with Envoy's clusters, and the simulator where it runs."""

    clusters: Path | None = None
    simulator_url: str = ""


@asynccontextmanager
async def _upstreams(
    settings: Settings, stores: Stores, directory: Path
) -> AsyncIterator[_Upstreams]:
    if not settings.edge:
        yield _Upstreams()
        return
    async with AsyncExitStack() as stack:
        url = ""
        if settings.examples:
            url, _ = await stack.enter_async_context(simulator())
        clusters = await stack.enter_async_context(
            upstream_clusters(stores.quick.catalogs, directory, settings, simulator_url=url)
        )
        yield _Upstreams(clusters, url)


def _orders(settings: Settings, stores: Stores, simulator_url: str) -> WorkerOrders:
    """Returns what all workers are told; each is given a link of its own."""
    told = replace(
        settings,
        store=stores.access.location,
        initialize_store=False,
        ledger_url="",
        examples=False,
        ready_file=None,
    )
    return WorkerOrders(told, Path(), simulator_url)


def _worker(
    programs: EnvoyPrograms, plan: EnvoyPlan, files: WorkerFiles, orders: WorkerOrders
) -> EnvoyWorker:
    path = files.directory / f"orders-{files.number}"
    write_orders(path, replace(orders, link_socket=files.link_socket))
    return EnvoyWorker(
        programs,
        replace(plan, admin_socket=files.admin_socket),
        files,
        {ORDERS_VARIABLE: str(path)},
    )
