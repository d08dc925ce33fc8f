"""The ports of a server: gRPC for calls, HTTP for probes and scrapes. They open and drain here."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace

import grpc
import structlog
from grpc import aio

from fluxrouter_server.api.methods import SERVICES
from fluxrouter_server.bootstrap.core import Core
from fluxrouter_server.bootstrap.methods import served_methods
from fluxrouter_server.bootstrap.workers import Front, open_front, private_directory
from fluxrouter_server.settings import Address, Settings
from fluxrouter_server.telemetry.http_port import HttpPort
from fluxrouter_server.telemetry.merged_metrics import merged
from fluxrouter_server.transport.choice import Chosen
from fluxrouter_server.transport.drain import Drain
from fluxrouter_server.transport.grpc_aio import (
    GrpcOptions,
    ListenError,
    build_server,
    call_handlers,
    listen,
)
from fluxrouter_server.transport.health import Health
from fluxrouter_server.transport.reflection import reflection_handlers
from fluxrouter_server.transport.tls import TlsFiles, server_credentials

__all__ = ["Ports", "open_metrics_port", "open_ports"]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Ports:
    """Where a server listens, with the ports that were free where 0 was asked for.

    `grpc` is None where it takes no calls.
    """

    grpc: Address | None
    metrics: Address
    simulator_url: str = ""


@asynccontextmanager
async def open_ports(settings: Settings, core: Core, chosen: Chosen) -> AsyncIterator[Ports]:
    """Listens, and on leaving drains: not ready, a pause, no new calls, and the last ones' answers.

    Raises:
        ListenError: an address is taken, or is not this machine's.
        TlsError: the certificate's files cannot be used.
        WorkerFailed: an Envoy worker did not come up.
    """
    health = Health(SERVICES, store_problem=core.stores.problem, drain=core.drain)
    server = build_server(
        [
            *call_handlers(served_methods(core.use_cases, core.stores), core.pipeline),
            health.handler(),
            *reflection_handlers(SERVICES, core.drain),
        ],
        GrpcOptions(settings.max_message_bytes, reuse_port=settings.reuse_port),
    )
    async with AsyncExitStack() as stack:
        if chosen.programs is None:
            address = _listen_directly(server, settings)
            await server.start()
            stack.push_async_callback(server.stop, None)
            front = None
        else:
            directory = stack.enter_context(private_directory())
            rest = directory / "grpc.sock"
            listen(server, str(Address(path=str(rest))), None)
            await server.start()
            stack.push_async_callback(server.stop, None)
            front = await stack.enter_async_context(
                open_front(
                    settings, core.stores, chosen.programs, directory=directory, rest_socket=rest
                )
            )
            address = front.address
        http = _http_port(core, health, front)
        metrics_port = await _start_http(http, settings.metrics_listen)
        stack.push_async_callback(http.stop)
        try:
            yield Ports(
                address,
                replace(settings.metrics_listen, port=metrics_port),
                front.simulator_url if front else "",
            )
        finally:
            await _drain(server, front, settings, core.drain)


@asynccontextmanager
async def open_metrics_port(settings: Settings, core: Core) -> AsyncIterator[Ports]:
    """Listens for probes and scrapes alone, until left.

    Raises:
        ListenError: the address is taken, or is not this machine's.
    """
    http = _http_port(core, Health((), store_problem=core.stores.problem, drain=core.drain), None)
    port = await _start_http(http, settings.metrics_listen)
    try:
        yield Ports(None, replace(settings.metrics_listen, port=port))
    finally:
        core.drain.begin()
        await http.stop()


def _listen_directly(server: aio.Server, settings: Settings) -> Address:
    port = listen(server, str(settings.listen), _credentials(settings))
    return replace(settings.listen, port=port if settings.listen.host else 0)


def _http_port(core: Core, health: Health, front: Front | None) -> HttpPort:
    async def own_exposition() -> bytes:
        return core.metrics.exposition()

    if front is None:
        return HttpPort(exposition=own_exposition, not_ready=health.problem)
    supervisor = front.supervisor

    async def exposition() -> bytes:
        return merged([core.metrics.exposition(), *await supervisor.metrics()])

    def not_ready() -> str | None:
        return health.problem() or supervisor.problem()

    return HttpPort(exposition=exposition, not_ready=not_ready)


async def _drain(server: aio.Server, front: Front | None, settings: Settings, drain: Drain) -> None:
    drain.begin()
    _log.info("draining", pause_seconds=settings.drain_pause_seconds)
    try:
        if front is not None:
            # What is used during the pause ends in good order; the rest is cut after it.
            await front.supervisor.send_callers_away()
        await asyncio.sleep(settings.drain_pause_seconds)
        if front is not None:  # first, because it passes calls on to the server
            await front.supervisor.drain(settings.drain_grace_seconds)
        await server.stop(settings.drain_grace_seconds)
    except asyncio.CancelledError:
        await server.stop(None)
        raise
    _log.info("drained")


async def _start_http(http: HttpPort, address: Address) -> int:
    try:
        return await http.start(address.host, address.port)
    except OSError as error:
        raise ListenError(
            f"cannot listen on {address} for metrics: {error.strerror}; choose another address "
            "with --metrics-listen"
        ) from error


def _credentials(settings: Settings) -> grpc.ServerCredentials | None:
    if settings.tls_cert is None or settings.tls_key is None:
        return None
    return server_credentials(TlsFiles(settings.tls_cert, settings.tls_key, settings.tls_client_ca))
