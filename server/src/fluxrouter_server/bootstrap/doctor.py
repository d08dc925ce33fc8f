"""Looks at the store that a server would use, running or not, and mends what may be mended."""

import asyncio
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from fluxrouter_server.bootstrap.stores import hold_timing, store_access
from fluxrouter_server.services.ports.errors import StoreError, StoreRefused
from fluxrouter_server.settings import Settings
from fluxrouter_server.store.access import StoreAccess, find_servers, store_client
from fluxrouter_server.store.addresses import StoreAddress
from fluxrouter_server.store.connection import open_connection
from fluxrouter_server.store.diagnosis import Finding, StoreFacts, diagnose, judge_backlog
from fluxrouter_server.store.embedded import EmbeddedSettings, EmbeddedStore
from fluxrouter_server.store.errors import StoreLocked
from fluxrouter_server.store.examination import examine
from fluxrouter_server.store.initialisation import change_layout, reinitialise, survey
from fluxrouter_server.store.layout import ClockKind, Fenced, Initialise, Ready, judge
from fluxrouter_server.store.ledger_stream import ValkeyLedgerStream
from fluxrouter_server.store.locations import StoreLocation
from fluxrouter_server.store.scripts import read_scripts
from fluxrouter_server.store.witness import Witness

__all__ = ["change_spans", "examine_store", "reinitialise_store"]

#: A store that needs longer to accept a connection is as good as away.
_CONNECT_SECONDS: Final = 3.0
_NANOSECONDS_PER_MICROSECOND: Final = 1_000


@dataclass(frozen=True, slots=True)
class _Patient:
    """The store to look at, and the witness of an embedded one."""

    access: StoreAccess
    clock: ClockKind
    witness: Witness | None


async def examine_store(settings: Settings) -> Sequence[Finding]:
    """Checks the store of these settings; nothing is changed.

    Returns:
        One finding a check. Where the store does not even answer, that is the only one.
    """
    if settings.store is None and not settings.data_dir.exists():
        return [
            Finding("store", ok=True, problem=f"none yet in {settings.data_dir}: serve makes one")
        ]
    try:
        async with _reachable(settings) as patient:
            layout_problem = await _layout_problem(patient, hold_timing(settings).layout)
            findings = diagnose(
                {
                    str(server): await _examine(patient, server, layout_problem)
                    for server in await find_servers(patient.access)
                }
            )
            return [*findings, await _ledger_lag(patient, settings)]
    except (StoreError, OSError, TimeoutError) as error:
        where = settings.store or settings.data_dir
        return [
            Finding(
                "store",
                ok=False,
                problem=f"{where}: {str(error) or 'no answer in time'}",
                remedy="see that it runs and listens there, and that this user may connect",
            )
        ]


async def _examine(
    patient: _Patient, server: StoreAddress, layout_problem: str | None
) -> StoreFacts:
    """Gathers what is judged of one server; raises as `open_connection` and `examine` do."""
    access = patient.access
    async with asyncio.timeout(_CONNECT_SECONDS):
        connection = await open_connection(server, tls=access.tls.context())
        try:
            return await examine(
                connection,
                layout_problem=layout_problem,
                now_us=lambda: time.time_ns() // _NANOSECONDS_PER_MICROSECOND,
                wanted=access.wanted,
            )
        finally:
            connection.abort()


async def reinitialise_store(settings: Settings) -> int:
    """Begins the next life of the store's data: all counters start at zero, nothing is kept.

    Returns:
        The highest epoch that has begun.

    Raises:
        StoreRefused: a server runs on the embedded store; stop it first.
        StoreError: the store does not answer.
    """
    scripts = read_scripts()
    async with (
        _reachable(settings, alone=True) as patient,
        store_client(patient.access, scripts=scripts) as client,
    ):
        await client.wait_ready(_CONNECT_SECONDS)
        lives = await reinitialise(
            client,
            scripts,
            clock=patient.clock,
            witness=patient.witness,
            layout=hold_timing(settings).layout,
        )
    return max(life.epoch for life in lives)


async def change_spans(settings: Settings) -> int:
    """Has the store's record say these settings' spans, which all its servers must then use.

    Returns:
        How many shards have them.

    Raises:
        StoreRefused: a server runs on the embedded store; stop it first.
        StoreError: the store does not answer.
    """
    scripts = read_scripts()
    async with (
        _reachable(settings, alone=True) as patient,
        store_client(patient.access, scripts=scripts) as client,
    ):
        await client.wait_ready(_CONNECT_SECONDS)
        return await change_layout(client, scripts, hold_timing(settings).layout)


@asynccontextmanager
async def _reachable(settings: Settings, *, alone: bool = False) -> AsyncIterator[_Patient]:
    """Yields the store's address; starts an embedded one that no server runs, for the time.

    Raises:
        StoreRefused: it should be `alone`, and a server runs on it.
    """
    clock = ClockKind.REAL if settings.simulated_clock is None else ClockKind.SIMULATED
    if settings.store is not None:
        yield _Patient(store_access(settings, settings.store), clock, None)
        return
    witness = Witness(settings.data_dir)
    embedded = EmbeddedStore(EmbeddedSettings(data_dir=settings.data_dir))
    try:
        address = await embedded.start()
    except StoreLocked as error:
        if alone:
            raise StoreRefused(
                f"{error}; stop the server that uses it, then do this again"
            ) from error
        address = StoreAddress(path=str(settings.data_dir / "valkey.sock"))
        yield _Patient(_embedded(settings, address), clock, witness)
        return
    try:
        yield _Patient(_embedded(settings, address), clock, witness)
    finally:
        await embedded.stop()


async def _ledger_lag(patient: _Patient, settings: Settings) -> Finding:
    """Says what waits for the ledger.

    Raises:
        StoreError: the store does not answer.
    """
    scripts = read_scripts()
    async with store_client(patient.access, scripts=scripts) as client:
        await client.wait_ready(_CONNECT_SECONDS)
        backlog = await ValkeyLedgerStream(client, scripts, worker="doctor").backlog()
    return judge_backlog(backlog, max_lag_seconds=settings.ledger_max_lag_seconds)


def _embedded(settings: Settings, address: StoreAddress) -> StoreAccess:
    return store_access(settings, StoreLocation.single(address))


async def _layout_problem(patient: _Patient, layout: str) -> str | None:
    """Returns why the data can't be decided upon and what to do; None where it can."""
    scripts = read_scripts()
    try:
        async with store_client(patient.access, scripts=scripts) as client:
            await client.wait_ready(_CONNECT_SECONDS)
            verdict = judge(
                await survey(client, scripts),
                clock=patient.clock,
                trusted=patient.witness.read() if patient.witness is not None else None,
                adopt_newer=patient.witness is None,
                may_initialise=True,
                layout=layout,
            )
    except StoreError as error:
        return str(error)
    match verdict:
        case Ready():
            return None
        case Fenced(message):
            return message
        case Initialise():
            if patient.witness is not None:
                return None
            return "it is empty; start the first server on it once with --initialize-store"
