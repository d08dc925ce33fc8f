"""Runs a server from its start to the end of its drain."""

import asyncio
import json
import os
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final

import grpc
import structlog

from fluxrouter_server.bootstrap.credentials_file import read_credentials_file
from fluxrouter_server.bootstrap.examples import apply_examples, example_key
from fluxrouter_server.bootstrap.exposure import allows_local, require_closed
from fluxrouter_server.bootstrap.listeners import open_ports
from fluxrouter_server.bootstrap.private_files import write_private
from fluxrouter_server.bootstrap.signals import StopSignals
from fluxrouter_server.bootstrap.stores import Stores, keep_running, open_stores
from fluxrouter_server.bootstrap.use_cases import UseCases, build_use_cases
from fluxrouter_server.domain.holds import HoldState
from fluxrouter_server.services.ports.documents import CredentialRecord
from fluxrouter_server.services.ports.telemetry import Counter
from fluxrouter_server.services.recurring import Recurring
from fluxrouter_server.settings import Settings
from fluxrouter_server.telemetry.metrics import Gauge, ServerMetrics
from fluxrouter_server.transport.drain import Drain

__all__ = ["Listening", "serve"]

_log = structlog.get_logger(__name__)

#: How soon a store that was fenced and mended is used again.
_LAYOUT_SECONDS: Final = 1.0
#: How long admissions of an unknown outcome are still given back after the last call.
_UNDO_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Listening:
    """A server that is ready.

    Attributes:
        grpc: Address of the gRPC services.
        metrics: Address of /metrics, /healthz and /readyz.
        api_key: A key of the example account; None without `--examples`.
        is_local: Whether calls from this machine need no credential.
    """

    grpc: str
    metrics: str
    api_key: str | None
    is_local: bool


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
    configured = _configured(settings)
    is_local = allows_local(settings, configured)
    metrics = ServerMetrics(version=version("fluxrouter"), code_names=_code_names())
    drain = Drain()

    def count_expired(state: HoldState, count: int) -> None:
        metrics.count(Counter.SWEPT_HOLDS, count, label=state)

    async with open_stores(settings, on_expired=count_expired) as stores:
        require_closed(settings, configured, await stores.credentials.list_credentials())
        use_cases = build_use_cases(stores, metrics, configured=configured, local_allowed=is_local)
        _add_gauges(metrics, stores, use_cases)
        async with (
            _background(stores, use_cases),
            open_ports(settings, stores, use_cases, metrics=metrics, drain=drain) as ports,
        ):
            listening = Listening(
                grpc=str(ports.grpc),
                metrics=str(ports.metrics),
                api_key=await _examples(settings, use_cases),
                is_local=is_local,
            )
            signals.on_first = drain.begin
            with _told(settings, listening, announce):
                await _until_end(drain, stores)


def _configured(settings: Settings) -> Sequence[CredentialRecord]:
    if settings.credentials_file is None:
        return ()
    return read_credentials_file(settings.credentials_file)


def _code_names() -> list[str]:
    return [code.name for code in sorted(grpc.StatusCode, key=lambda code: code.value[0])]


def _add_gauges(metrics: ServerMetrics, stores: Stores, use_cases: UseCases) -> None:
    metrics.add_gauge(Gauge.STORE_UP, lambda: float(stores.problem() is None))
    metrics.add_gauge(Gauge.UNKNOWN_OUTCOMES_PENDING, lambda: len(use_cases.unknown))


@asynccontextmanager
async def _background(stores: Stores, use_cases: UseCases) -> AsyncIterator[None]:
    """Runs what nobody calls for; on leaving, what must not be lost is finished first."""
    layout = Recurring("read the layout", stores.layout.refresh, interval_seconds=_LAYOUT_SECONDS)
    layout.start()
    use_cases.sweeping.start()
    use_cases.unknown.start()
    try:
        yield
    finally:
        await use_cases.unknown.stop(grace_seconds=_UNDO_SECONDS)
        await use_cases.sweeping.stop()
        await layout.stop()


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
    }
    if listening.api_key is not None:
        facts["api_key"] = listening.api_key
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
