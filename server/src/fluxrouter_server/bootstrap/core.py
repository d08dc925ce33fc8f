"""What every process that serves calls is made of, whichever transport brings them."""

import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, closing, nullcontext
from dataclasses import dataclass
from importlib.metadata import version
from typing import Final

import grpc

from fluxrouter_server.bootstrap.credentials_file import (
    ConfiguredCredential,
    ServiceAccount,
    read_credentials_file,
)
from fluxrouter_server.bootstrap.exposure import allows_local, needs_stored, require_stored
from fluxrouter_server.bootstrap.ledger_view import OpenLedger
from fluxrouter_server.bootstrap.no_ledger import NoLedger
from fluxrouter_server.bootstrap.stores import Stores, open_stores
from fluxrouter_server.bootstrap.use_cases import UseCases, build_use_cases
from fluxrouter_server.domain.holds import HoldState
from fluxrouter_server.services.credentials import TokenReviewer
from fluxrouter_server.services.ports.decision_log import DecisionLog, NoDecisionLog
from fluxrouter_server.services.ports.documents import CredentialRecord
from fluxrouter_server.services.ports.telemetry import Counter
from fluxrouter_server.services.recurring import Recurring
from fluxrouter_server.settings import Settings
from fluxrouter_server.telemetry.decision_log import DecisionLogFiles
from fluxrouter_server.telemetry.metrics import Gauge, ServerMetrics
from fluxrouter_server.transport.call_pipeline import CallPipeline
from fluxrouter_server.transport.drain import Drain

__all__ = ["Core", "open_core"]

#: How soon a store that was fenced and mended is used again.
_LAYOUT_SECONDS: Final = 0.2
#: How long admissions of an unknown outcome are still given back after the last call.
_UNDO_SECONDS: Final = 2.0


@dataclass(frozen=True, slots=True)
class Core:
    """One process's parts.

    Attributes:
        stores: What is decided upon.
        use_cases: What decides.
        metrics: What counts it.
        drain: The process's end.
        pipeline: What every call goes through.
        is_local: Whether calls from this machine need no credential.
    """

    stores: Stores
    use_cases: UseCases
    metrics: ServerMetrics
    drain: Drain
    pipeline: CallPipeline
    is_local: bool


@asynccontextmanager
async def open_core(settings: Settings, *, sweeps: bool) -> AsyncIterator[Core]:
    """Opens the store and puts the use cases on it; on leaving, finishes what must not be lost.

    Args:
        settings: What the server is told.
        sweeps: Whether this process ends overdue holds and keeps the ledger; one of a server's
            processes is enough.

    Raises:
        SettingsError: a setting cannot be used.
        StoreError: the store cannot.
    """
    configured = _configured(settings)
    is_local = allows_local(settings, configured)
    metrics = ServerMetrics(version=version("fluxrouter"), code_names=_code_names())
    drain = Drain()

    def count_expired(state: HoldState, count: int) -> None:
        metrics.count(Counter.SWEPT_HOLDS, count, label=state)

    async with (
        open_stores(settings, on_expired=count_expired) as stores,
        _ledger(settings, stores, works=sweeps) as ledger,
        _reviewer(configured) as reviewer,
        _decision_log(settings) as log,
    ):
        if needs_stored(settings, configured):
            require_stored(settings, await stores.control.credentials.list_credentials())
        use_cases = build_use_cases(
            stores,
            metrics,
            ledger=ledger,
            configured=[item for item in configured if isinstance(item, CredentialRecord)],
            local_allowed=is_local,
            log=log,
            reviewer=reviewer,
        )
        _add_gauges(metrics, stores, use_cases, ledger)
        pipeline = CallPipeline(
            authenticator=use_cases.authenticator,
            stats=metrics.call_stats,
            drain=drain,
            max_message_bytes=settings.max_message_bytes,
        )
        async with _background(stores, use_cases, sweeps=sweeps):
            yield Core(stores, use_cases, metrics, drain, pipeline, is_local)


def _ledger(
    settings: Settings, stores: Stores, *, works: bool
) -> AbstractAsyncContextManager[OpenLedger]:
    if not works:
        return nullcontext(OpenLedger(NoLedger(), NoLedger(), None))
    # SQL's libraries are most of what a start would import, and only one process needs them.
    from fluxrouter_server.bootstrap.ledger import open_ledger  # noqa: PLC0415

    return open_ledger(settings, stores)


@asynccontextmanager
async def _decision_log(settings: Settings) -> AsyncIterator[DecisionLog]:
    """Yields where choices of tiers are kept: nowhere, unless the operator said where."""
    if settings.decision_log is None:
        yield NoDecisionLog()
        return
    files = DecisionLogFiles(settings.decision_log, with_text=settings.decision_log_text)
    with closing(files):
        yield files


def _configured(settings: Settings) -> Sequence[ConfiguredCredential]:
    if settings.credentials_file is None:
        return ()
    return read_credentials_file(settings.credentials_file)


@asynccontextmanager
async def _reviewer(
    configured: Sequence[ConfiguredCredential],
) -> AsyncIterator[TokenReviewer | None]:
    """Yields who verifies the tokens of ServiceAccounts; None where none is let in."""
    accounts = [item for item in configured if isinstance(item, ServiceAccount)]
    if not accounts:
        yield None
        return
    # As few need them, so are these imported by those alone.
    from fluxrouter_server.cluster.token_reviews import (  # noqa: PLC0415
        ServiceAccountTokens,
        connected_reviews,
    )

    callers = {item.account: item.caller for item in accounts}
    async with connected_reviews() as reviews:
        yield ServiceAccountTokens(callers, reviews, time.monotonic)


def _code_names() -> list[str]:
    return [code.name for code in sorted(grpc.StatusCode, key=lambda code: code.value[0])]


def _add_gauges(
    metrics: ServerMetrics, stores: Stores, use_cases: UseCases, ledger: OpenLedger
) -> None:
    if ledger.watch is not None:
        watch = ledger.watch
        metrics.add_gauge(Gauge.LEDGER_BACKLOG, lambda: watch.backlog.entries)
        metrics.add_gauge(Gauge.LEDGER_LAG, lambda: watch.backlog.lag_seconds)
    metrics.add_gauge(Gauge.STORE_UP, lambda: float(stores.problem() is None))
    metrics.add_gauge(Gauge.UNKNOWN_OUTCOMES_PENDING, lambda: len(use_cases.unknown))


@asynccontextmanager
async def _background(stores: Stores, use_cases: UseCases, *, sweeps: bool) -> AsyncIterator[None]:
    """Runs what nobody calls for; on leaving, what must not be lost is finished first."""
    layout = Recurring("read the layout", stores.layout.refresh, interval_seconds=_LAYOUT_SECONDS)
    layout.start()
    if sweeps:
        use_cases.sweeping.start()
    use_cases.unknown.start()
    try:
        yield
    finally:
        await use_cases.unknown.stop(grace_seconds=_UNDO_SECONDS)
        if sweeps:
            await use_cases.sweeping.stop()
        await layout.stop()
