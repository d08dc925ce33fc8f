"""What one server of the store takes: a kept connection, a breaker, bounded calls, a greeting."""

import ssl
from typing import NoReturn

from fluxrouter_server.store.addresses import Place
from fluxrouter_server.store.bounded_calls import BoundedCalls
from fluxrouter_server.store.breaker import CircuitBreaker
from fluxrouter_server.store.connection import StoreConnection, open_connection
from fluxrouter_server.store.errors import StoreNotReady
from fluxrouter_server.store.keeper import ConnectionKeeper, KeeperSettings
from fluxrouter_server.store.replicated_connection import ReplicatedConnection, Replication
from fluxrouter_server.store.runners import OnLife
from fluxrouter_server.store.scripts import ScriptLibrary
from fluxrouter_server.store.suitability import (
    ServerFacts,
    Wanted,
    read_server_facts,
    require_suitable,
)

__all__ = ["NodeLink"]


class NodeLink:
    """The link to one server. `run` it in a task of its own.

    Args:
        place: Where the server is to be found.
        scripts: Loaded into it at each connect, so that running one costs its hash only.
        wanted: What it must be.
        settings: How its connection is kept.
        replication_seconds: How long replicas may take, where there are `wanted` ones.
        tls: See `open_connection`.

    Attributes:
        calls: Sends commands.
        keeper: Has the connection.
        breaker: The circuit breaker, for health and metrics.
        facts: What the server said of itself at the last connect; None before the first.
        on_life: See `OnLife`.
        lives: How many lives were met of which that was said.
    """

    def __init__(
        self,
        place: Place,
        *,
        scripts: ScriptLibrary | None,
        wanted: Wanted,
        settings: KeeperSettings,
        replication_seconds: float,
        tls: ssl.SSLContext | None,
    ) -> None:
        self._scripts = scripts
        self._wanted = wanted
        self._may_move = place.may_move or wanted.cluster_node
        self.facts: ServerFacts | None = None
        self.on_life: OnLife = _nobody_asks
        self.lives = 0
        self.breaker = CircuitBreaker()
        replication = Replication(wanted.replicas, replication_seconds)
        self.keeper = ConnectionKeeper(
            place,
            greeting=self._introduce,
            breaker=self.breaker,
            settings=settings,
            tls=tls,
            connect=replication.connect if wanted.replicas else open_connection,
        )
        self.calls = BoundedCalls(place, keeper=self.keeper, breaker=self.breaker)

    async def run(self) -> NoReturn:
        """Keeps the connection until cancelled; on return all calls have ended."""
        try:
            await self.keeper.run()
        finally:
            self.calls.stop()

    @property
    def is_available(self) -> bool:
        """Whether a call would be sent now."""
        return self.keeper.current is not None and self.breaker.is_closed

    async def _introduce(self, connection: StoreConnection) -> None:
        """The greeting of each new connection."""
        facts = await read_server_facts(connection, with_replication=bool(self._wanted.replicas))
        if self._may_move and facts.role == "slave":
            raise StoreNotReady(
                "the server is a replica at the moment; the primary is looked for",
                code="READONLY",
                may_repeat=True,
                is_outage=True,
            )
        require_suitable(facts, self._wanted)
        if self._scripts is not None:
            await self._scripts.load_into(connection)
        if isinstance(connection, ReplicatedConnection):
            connection.begin_to_wait()
        before, self.facts = self.facts, facts
        if before is None or _life(before) != _life(facts):
            self.lives += self.on_life()  # before the connection is used


def _life(facts: ServerFacts) -> tuple[str, str]:
    return facts.run_id, facts.replication_id


def _nobody_asks() -> bool:
    """Until somebody sets another."""
    return False
