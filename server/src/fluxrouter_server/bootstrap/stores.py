"""Opens the store, embedded or external, with everything that reads and writes it."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import Final, Self

import structlog

from fluxrouter_server.bootstrap.ledger_schema import prepare_ledger
from fluxrouter_server.domain.holds import HoldState
from fluxrouter_server.settings import Settings
from fluxrouter_server.store.access import StoreAccess, store_client
from fluxrouter_server.store.account_store import ValkeyAccountStore
from fluxrouter_server.store.adjusting import ValkeyAdjustmentStore
from fluxrouter_server.store.catalog_store import ValkeyCatalogStore
from fluxrouter_server.store.clock import EstimatedClock, FurthestClock, ScriptClock, clock_file
from fluxrouter_server.store.counter_restoring import ValkeyCounterRestorer
from fluxrouter_server.store.credential_store import ValkeyCredentialStore
from fluxrouter_server.store.embedded import EmbeddedSettings, EmbeddedStore
from fluxrouter_server.store.errors import EmbeddedStoreFailed
from fluxrouter_server.store.hold_calls import HoldCalls
from fluxrouter_server.store.hold_store import ValkeyHoldStore
from fluxrouter_server.store.hold_timing import HoldTiming
from fluxrouter_server.store.layout import ClockKind
from fluxrouter_server.store.layout_keeper import LayoutKeeper
from fluxrouter_server.store.locations import StoreLocation
from fluxrouter_server.store.plan_store import ValkeyPlanStore
from fluxrouter_server.store.runners import StoreRunner
from fluxrouter_server.store.scripts import ScriptLibrary, read_scripts
from fluxrouter_server.store.shard_calls import FAN_OUT_SECONDS, ShardCalls
from fluxrouter_server.store.sweeping import ValkeySweeper
from fluxrouter_server.store.tls import StoreTls
from fluxrouter_server.store.witness import Witness

__all__ = [
    "Stores",
    "clock_kind",
    "hold_timing",
    "keep_running",
    "open_stores",
    "store_access",
    "witness_of",
]

_log = structlog.get_logger(__name__)

_MICROSECONDS: Final = 1_000_000
_MILLISECONDS: Final = 1_000
#: How long a start waits for a store that comes up at the same time.
_START_SECONDS: Final = 15.0
#: An embedded store that ends within this time after a restart would do so for ever.
_LEAST_LIFE_SECONDS: Final = 10.0

OnExpired = Callable[[HoldState, int], None]


@dataclass(frozen=True, slots=True)
class Documents:
    """What reads and writes control documents."""

    plans: ValkeyPlanStore
    catalogs: ValkeyCatalogStore
    accounts: ValkeyAccountStore
    credentials: ValkeyCredentialStore

    @classmethod
    def over(cls, shards: ShardCalls) -> Self:
        """All of them, with the patience of these calls."""
        return cls(
            ValkeyPlanStore(shards),
            ValkeyCatalogStore(shards),
            ValkeyAccountStore(shards),
            ValkeyCredentialStore(shards),
        )


@dataclass(frozen=True, slots=True)
class Stores:
    """The ports' adapters over one store; `embedded` is None where the store is external.

    Decisions wait for documents no longer than for anything else, so theirs are `quick`. Whoever
    changes documents would rather wait than be told to repeat a thousand of them: `control`.
    """

    embedded: EmbeddedStore | None
    access: StoreAccess
    client: StoreRunner
    layout: LayoutKeeper
    clock: ScriptClock
    control: Documents
    quick: Documents
    holds: ValkeyHoldStore
    adjustments: ValkeyAdjustmentStore
    restorer: ValkeyCounterRestorer
    sweeper: ValkeySweeper

    def problem(self) -> str | None:
        """Returns why no decision can be had, or None."""
        if not self.client.is_available:
            return "the store does not answer"
        layout = self.layout
        return None if layout.fence is None else layout.progress or layout.fence


@asynccontextmanager
async def open_stores(settings: Settings, *, on_expired: OnExpired) -> AsyncIterator[Stores]:
    """Opens the store, and closes it on leaving; an embedded one is then shut down in order.

    Args:
        settings: Which store, and how.
        on_expired: Told of holds that a decision ended on its way.

    Raises:
        StoreError: there is no store to decide upon; the message says what to do.
    """
    is_known = await prepare_ledger(settings)
    async with AsyncExitStack() as stack:
        embedded, access = await _locate(settings)
        if embedded is not None:
            stack.push_async_callback(embedded.stop)
        scripts = read_scripts()
        client = await stack.enter_async_context(
            store_client(access, scripts=scripts, timeout_seconds=settings.store_timeout_ms / 1000)
        )
        await client.wait_ready(_START_SECONDS)
        layout = _layout(client, scripts, settings, is_known=is_known)
        await layout.open()
        clock: ScriptClock = FurthestClock() if client.is_cluster else EstimatedClock()
        if settings.simulated_clock is not None:
            clock = clock_file(settings.simulated_clock)
        timing = hold_timing(settings)
        shards = ShardCalls(client, scripts, lives=layout, clock=clock, layout=timing.layout)
        patient = ShardCalls(
            client,
            scripts,
            lives=layout,
            clock=clock,
            layout=timing.layout,
            timeout_seconds=FAN_OUT_SECONDS,
        )
        calls = HoldCalls(client, scripts, lives=layout, clock=clock, timing=timing)
        yield Stores(
            embedded=embedded,
            access=access,
            client=client,
            layout=layout,
            clock=clock,
            control=Documents.over(patient),
            quick=Documents.over(shards),
            holds=ValkeyHoldStore(
                calls,
                most_backlog_entries=timing.most_backlog_entries,
                most_lag_ms=timing.most_lag_ms,
                on_expired=on_expired,
            ),
            adjustments=ValkeyAdjustmentStore(calls),
            restorer=ValkeyCounterRestorer(client, patient),
            sweeper=ValkeySweeper(shards, calls),
        )


async def keep_running(embedded: EmbeddedStore) -> None:
    """Starts an embedded store again when it ends by itself, until cancelled.

    Raises:
        EmbeddedStoreFailed: it does not come up again, or ends as soon as it is up.
    """
    loop = asyncio.get_running_loop()
    restarted_at = float("-inf")
    while True:
        code = await embedded.wait()
        _log.error("embedded_store_ended", exit_code=code, log_tail=embedded.log_tail())
        if loop.time() - restarted_at < _LEAST_LIFE_SECONDS:
            raise EmbeddedStoreFailed(
                f"the embedded store ended again with exit code {code}; "
                f"its log ends:\n{embedded.log_tail()}"
            )
        restarted_at = loop.time()
        await embedded.start()


async def _locate(settings: Settings) -> tuple[EmbeddedStore | None, StoreAccess]:
    """Returns how to reach the store, and the embedded one where there is one, started."""
    if settings.store is not None:
        return None, store_access(settings, settings.store)
    embedded = EmbeddedStore(
        EmbeddedSettings(data_dir=settings.data_dir, appendfsync=settings.appendfsync)
    )
    return embedded, store_access(settings, StoreLocation.single(await embedded.start()))


def store_access(settings: Settings, location: StoreLocation) -> StoreAccess:
    """How to reach the store that is there."""
    tls = StoreTls(settings.store_ca, settings.store_cert, settings.store_key)
    return StoreAccess(location, tls, settings.store_replicas)


def _layout(
    client: StoreRunner, scripts: ScriptLibrary, settings: Settings, *, is_known: bool | None
) -> LayoutKeeper:
    return LayoutKeeper(
        client,
        scripts,
        clock=clock_kind(settings),
        witness=witness_of(settings),
        layout=hold_timing(settings).layout,
        may_initialise=settings.initialize_store,
        is_known=is_known,
    )


def clock_kind(settings: Settings) -> ClockKind:
    """Whose time the scripts use."""
    return ClockKind.REAL if settings.simulated_clock is None else ClockKind.SIMULATED


def witness_of(settings: Settings) -> Witness | None:
    """The witness of an embedded store."""
    return Witness(settings.data_dir) if settings.store is None else None


def hold_timing(settings: Settings) -> HoldTiming:
    """How long the store remembers."""
    return HoldTiming(
        replay_window_us=settings.replay_window_seconds * _MICROSECONDS,
        max_hold_life_us=settings.max_hold_life_seconds * _MICROSECONDS,
        late_window_us=settings.late_window_seconds * _MICROSECONDS,
        most_lag_ms=settings.ledger_max_lag_seconds * _MILLISECONDS,
    )
