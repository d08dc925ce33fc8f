"""Runs a server from its start to the end of its drain."""

import asyncio
import json
import os
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass

import structlog

from fluxrouter_server.bootstrap.core import open_core
from fluxrouter_server.bootstrap.examples import apply_examples, example_key
from fluxrouter_server.bootstrap.garbage import spare_the_collector
from fluxrouter_server.bootstrap.listeners import Ports, open_metrics_port, open_ports
from fluxrouter_server.bootstrap.private_files import write_private
from fluxrouter_server.bootstrap.signals import StopSignals
from fluxrouter_server.bootstrap.stores import Stores, keep_running
from fluxrouter_server.bootstrap.use_cases import UseCases
from fluxrouter_server.settings import Role, Settings
from fluxrouter_server.transport.choice import Chosen, TransportKind, choose_transport
from fluxrouter_server.transport.drain import Drain

__all__ = ["EdgeUrls", "Listening", "serve"]

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class EdgeUrls:
    """Where clients find the HTTP edge.

    Attributes:
        openai: Base URL for OpenAI's clients.
        anthropic: Base URL for Anthropic's.
        simulator: Where the upstream simulator tells what it did; empty where there is none.
    """

    openai: str
    anthropic: str
    simulator: str


@dataclass(frozen=True, slots=True)
class Listening:
    """A server that is ready.

    Attributes:
        grpc: Address of the gRPC services; empty where no calls are taken.
        metrics: Address of /metrics, /healthz and /readyz.
        api_key: A key of the example account; None without `--examples`.
        is_local: Whether calls from this machine need no credential.
        transport: How calls arrive.
        problem: Why no decision can be had yet; None where it can.
        edge: Where the HTTP edge is; a sentence on why it is not; None where nobody asked for it.
    """

    grpc: str
    metrics: str
    api_key: str | None
    is_local: bool
    transport: TransportKind
    problem: str | None
    edge: "EdgeUrls | str | None" = None


async def serve(settings: Settings, *, announce: Callable[[Listening], None]) -> None:
    """Runs a server until SIGTERM or SIGINT, and ends it without losing an answer.

    Args:
        settings: What it is told.
        announce: Told once everything listens.

    Raises:
        SettingsError: a setting cannot be used.
        TlsError: neither can a certificate.
        ListenError: neither can an address.
        StoreError: the store cannot be used, or an embedded one ended and does not come up again.
        TransportUnavailable: Envoy is asked for and does not run here.
        WorkerFailed: it runs here, and did not come up.
    """
    signals = StopSignals()
    with signals.listening():
        try:
            await _run(settings, announce, signals)
        except asyncio.CancelledError:
            if not signals.came:
                raise
            _log.warning("stopped_at_once")


async def _run(
    settings: Settings, announce: Callable[[Listening], None], signals: StopSignals
) -> None:
    chosen = choose_transport(settings.transport, on_unix_socket=bool(settings.listen.path))
    _log.info("transport_chosen", transport=chosen.kind, reason=chosen.why)
    async with AsyncExitStack() as stack:
        core = await stack.enter_async_context(open_core(settings, sweeps=True))
        api_key = await _examples(
            settings, core.use_cases
        )  # first, so that workers begin with them
        ports = await stack.enter_async_context(
            open_metrics_port(settings, core)
            if settings.role is Role.LEDGER
            else open_ports(settings, core, chosen)
        )
        listening = Listening(
            grpc=str(ports.grpc or ""),
            metrics=str(ports.metrics),
            api_key=api_key,
            is_local=core.is_local,
            transport=chosen.kind,
            problem=core.stores.problem(),
            edge=_edge(settings, chosen, ports),
        )
        signals.on_first = core.drain.begin
        spare_the_collector()
        with _told(settings, listening, announce):
            await _until_end(core.drain, core.stores)


def _edge(settings: Settings, chosen: Chosen, ports: Ports) -> EdgeUrls | str | None:
    if not settings.edge:
        return None
    if chosen.programs is None:
        _log.error("edge_unavailable", reason=chosen.why)
        return f"The HTTP edge needs Envoy. {chosen.why}; gRPC is served all the same"
    scheme = "http" if settings.tls_cert is None else "https"
    url = f"{scheme}://{ports.grpc}"
    return EdgeUrls(f"{url}/v1", f"{url}/anthropic", ports.simulator_url)


async def _examples(settings: Settings, use_cases: UseCases) -> str | None:
    if not settings.examples:
        return None
    await apply_examples(use_cases)
    return await example_key(use_cases, settings.data_dir)


@contextmanager
def _told(
    settings: Settings, listening: Listening, announce: Callable[[Listening], None]
) -> Iterator[None]:
    """Tells everybody who waits that the server is ready, and takes it back at the end."""
    path = settings.ready_file
    if path is not None:
        write_private(path, _ready_text(listening))
    _log.info("serving", grpc=listening.grpc, metrics=listening.metrics)
    if listening.problem is not None:
        _log.error("not_ready", problem=listening.problem)
    if settings.simulated_clock is not None:
        _log.warning("clock_is_simulated", file=str(settings.simulated_clock))
    if listening.is_local:
        _log.warning("no_credential_configured", reachable_from="this machine only")
    announce(listening)
    try:
        yield
    finally:
        if path is not None:
            path.unlink(missing_ok=True)


def _ready_text(listening: Listening) -> str:
    facts: dict[str, str | int] = {
        "grpc": listening.grpc,
        "metrics": listening.metrics,
        "pid": os.getpid(),
        "transport": listening.transport,
    }
    if listening.api_key is not None:
        facts["api_key"] = listening.api_key
    if isinstance(listening.edge, EdgeUrls):
        facts["base_url"] = listening.edge.openai
        facts["anthropic_base_url"] = listening.edge.anthropic
        if listening.edge.simulator:
            facts["upstream_simulator"] = listening.edge.simulator
    return json.dumps(facts) + "\n"


async def _until_end(drain: Drain, stores: Stores) -> None:
    """Waits for the drain to begin, or for an embedded store that is beyond help."""
    if stores.embedded is None:
        await drain.wait()
        return
    keeper = asyncio.create_task(keep_running(stores.embedded), name="keep the store running")
    ended = asyncio.create_task(drain.wait(), name="wait for the drain")
    try:
        await asyncio.wait((keeper, ended), return_when="FIRST_COMPLETED")
        if keeper.done():
            keeper.result()
    finally:
        for task in (keeper, ended):
            task.cancel()
        await asyncio.wait((keeper, ended))
