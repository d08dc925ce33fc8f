"""The ports of a server: gRPC for calls, HTTP for probes and scrapes. They open and drain here."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import grpc
import structlog
from grpc import aio

from fluxrouter_server.api.methods import SERVICES, method_table
from fluxrouter_server.bootstrap.stores import Stores
from fluxrouter_server.bootstrap.use_cases import UseCases, build_apis
from fluxrouter_server.settings import Address, Settings
from fluxrouter_server.telemetry.http_port import HttpPort
from fluxrouter_server.telemetry.metrics import ServerMetrics
from fluxrouter_server.transport.call_pipeline import CallPipeline
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

__all__ = ["Ports", "open_ports"]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class Ports:
    """Where a server listens, with the ports that were free where 0 was asked for."""

    grpc: Address
    metrics: Address


@asynccontextmanager
async def open_ports(
    settings: Settings, stores: Stores, use_cases: UseCases, *, metrics: ServerMetrics, drain: Drain
) -> AsyncIterator[Ports]:
    """Listens, and on leaving drains: not ready, a pause, no new calls, and the last ones' answers.

    Raises:
        ListenError: an address is taken, or is not this machine's.
        TlsError: the certificate's files cannot be used.
    """
    health = Health(SERVICES, store_problem=stores.problem, drain=drain)
    pipeline = CallPipeline(
        authenticator=use_cases.authenticator,
        stats=metrics.call_stats,
        drain=drain,
        max_message_bytes=settings.max_message_bytes,
    )
    methods = method_table(build_apis(use_cases, stores))
    handlers = [
        *call_handlers(methods, pipeline),
        health.handler(),
        *reflection_handlers(SERVICES, drain),
    ]
    options = GrpcOptions(settings.max_message_bytes, reuse_port=settings.reuse_port)
    server = build_server(handlers, options)
    port = listen(server, str(settings.listen), _credentials(settings))
    http = HttpPort(exposition=metrics.exposition, not_ready=health.problem)
    metrics_port = await _start_http(http, settings.metrics_listen)
    await server.start()
    try:
        yield Ports(
            replace(settings.listen, port=port if settings.listen.host else 0),
            replace(settings.metrics_listen, port=metrics_port),
        )
    finally:
        await _drain(server, settings, drain)
        await http.stop()


async def _drain(server: aio.Server, settings: Settings, drain: Drain) -> None:
    drain.begin()
    _log.info("draining", pause_seconds=settings.drain_pause_seconds)
    try:
        await asyncio.sleep(settings.drain_pause_seconds)
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
