"""The stores of control documents on a real server, put together as a server does it."""

from collections.abc import AsyncIterator, Collection, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Final

from fluxrouter_server.services.ports.errors import StoreError
from fluxrouter_server.store.access import StoreAccess, store_client
from fluxrouter_server.store.account_store import ValkeyAccountStore
from fluxrouter_server.store.catalog_store import ValkeyCatalogStore
from fluxrouter_server.store.clock import SimulatedClock
from fluxrouter_server.store.credential_store import ValkeyCredentialStore
from fluxrouter_server.store.errors import CommandNotSent
from fluxrouter_server.store.layout import ClockKind
from fluxrouter_server.store.layout_keeper import LayoutKeeper
from fluxrouter_server.store.plan_store import ValkeyPlanStore
from fluxrouter_server.store.replies import Argument, Outcome, Reply
from fluxrouter_server.store.runners import StoreRunner
from fluxrouter_server.store.scripts import Script, ScriptLibrary, read_scripts
from fluxrouter_server.store.shard_calls import ShardCalls
from fluxrouter_testing.store_cluster import AnyStore

__all__ = ["START_US", "ControlStores", "TestClock", "Unreachable", "connected", "control_stores"]

START_US: Final = 1_790_000_000_000_000
"""Where the simulated clock of these stores begins: September 2026."""

_PATIENCE_SECONDS: Final = 10.0
"""For a store on a busy machine; no test waits for it to pass."""

SCRIPTS: Final = read_scripts()


@dataclass
class TestClock:
    """The simulated time of the store; tests set it."""

    __test__ = False

    now_us: int = START_US

    def advance(self, seconds: int) -> None:
        """Move on."""
        self.now_us += seconds * 1_000_000


@dataclass
class Unreachable:
    """A client for which some shards never get a call; what a network that is cut in two does."""

    client: StoreRunner
    shards: Collection[int] = ()

    async def evaluate(
        self,
        script: Script,
        keys: Sequence[Argument],
        args: Sequence[Argument],
        *,
        timeout_seconds: float | None = None,
    ) -> Reply:
        """Pass it on unless its shard is out of reach."""
        (outcome,) = await self.evaluate_each(
            script, [(keys, args)], timeout_seconds=timeout_seconds
        )
        if isinstance(outcome, StoreError):
            raise outcome
        return outcome

    async def evaluate_each(
        self,
        script: Script,
        calls: Sequence[tuple[Sequence[Argument], Sequence[Argument]]],
        *,
        timeout_seconds: float | None = None,
    ) -> Sequence[Outcome]:
        """Pass on those whose shard is within reach, with patience for a busy machine."""
        reachable = [call for call in calls if _shard(call[0]) not in self.shards]
        patience = max(timeout_seconds or 0.0, _PATIENCE_SECONDS)
        outcomes = iter(
            await self.client.evaluate_each(script, reachable, timeout_seconds=patience)
        )
        return [
            CommandNotSent("the shard is out of reach")
            if _shard(keys) in self.shards
            else next(outcomes)
            for keys, _ in calls
        ]


@dataclass(frozen=True)
class ControlStores:
    """Everything that writes and reads documents, on one connection."""

    client: StoreRunner
    network: Unreachable
    layout: LayoutKeeper
    clock: TestClock
    calls: ShardCalls
    plans: ValkeyPlanStore
    catalogs: ValkeyCatalogStore
    accounts: ValkeyAccountStore
    credentials: ValkeyCredentialStore


@asynccontextmanager
async def connected(
    server: AnyStore, scripts: ScriptLibrary = SCRIPTS
) -> AsyncIterator[StoreRunner]:
    """A client that is connected to the server."""
    access = StoreAccess(server.location)
    async with store_client(access, scripts=scripts, timeout_seconds=_PATIENCE_SECONDS) as client:
        await client.wait_ready(_PATIENCE_SECONDS)
        yield client


@asynccontextmanager
async def control_stores(
    server: AnyStore,
) -> AsyncIterator[ControlStores]:
    """The stores on a server that is initialised for them, with a simulated clock."""
    async with connected(server) as client:
        layout = LayoutKeeper(client, SCRIPTS, clock=ClockKind.SIMULATED, may_initialise=True)
        await layout.open()
        clock = TestClock()
        network = Unreachable(client)
        calls = ShardCalls(
            network, SCRIPTS, lives=layout, clock=SimulatedClock(lambda: clock.now_us)
        )
        yield ControlStores(
            client=client,
            network=network,
            layout=layout,
            clock=clock,
            calls=calls,
            plans=ValkeyPlanStore(calls),
            catalogs=ValkeyCatalogStore(calls),
            accounts=ValkeyAccountStore(calls),
            credentials=ValkeyCredentialStore(calls),
        )


def _shard(keys: Sequence[Argument]) -> int:
    """The shard in a key's hash tag, `fx:{hh}:…`."""
    return int(str(keys[0])[4:6], 16)
