"""The loop over the server: what was spent, and whether it still has what it acknowledged.

One reading for a thousand accounts; a status is written only where it changed. A store that lost
its control data shows here, and gets it back.
"""

import asyncio
from collections.abc import Iterator, Sequence
from typing import Final

import structlog

from fluxrouter.v1 import cap_pb2
from fluxrouter_operator.clients.errors import ServerRefused, ServerUnreachable
from fluxrouter_operator.observed import Key, Kind
from fluxrouter_operator.reconcile.memory import Known
from fluxrouter_operator.reconcile.world import World

__all__ = ["SpendLoop"]

_log = structlog.get_logger()

_BATCH: Final = 1000
# While the server is silent this loop is what notices that it is back.
_PROBE_SECONDS: Final = 1.0
_SAY_SECONDS: Final = 0.5


class SpendLoop:
    """Reads the server's counters and generations for ever."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def run(self) -> None:
        """Works until it is cancelled."""
        resync_at = self._time() + self._world.pace.resync_seconds
        while True:
            try:
                await self.read()
            except ServerUnreachable:
                pass  # noted where it was called; `run_health` says it
            except ServerRefused as error:
                _log.error("spend_refused", error=str(error))
            if self._time() >= resync_at:
                resync_at = self._time() + self._world.pace.resync_seconds
                self.send_everything_again()
            await asyncio.sleep(self._pause_seconds())

    async def run_health(self) -> None:
        """Says a silence of the server once it is long enough, until it is cancelled."""
        while True:
            await asyncio.sleep(_SAY_SECONDS)
            if self._world.health.is_to_be_said():
                self._world.statuses.add_all(item.key for item in self._world.view.all())

    async def read(self) -> None:
        """Reads everything once.

        Raises:
            ServerUnreachable: some was not read.
            ServerRefused: the server does not let us.
        """
        for kind in (Kind.CATALOG, Kind.PLAN):
            await self._compare(kind)
        for batch in _batches(sorted(self._accounts())):
            self._learn(await self._world.server.spends([key.server_name for key in batch]))

    def send_everything_again(self) -> None:
        """Lets every resource be applied, in case somebody changed it at the server."""
        for key, known in self._world.memory.items():
            known.is_suspect = True
            self._world.resources.add(key)

    async def _compare(self, kind: Kind) -> None:
        """Compares what was acknowledged with what the server has."""
        acknowledged = {
            key: known.acknowledged
            for key, known in self._world.memory.items()
            if key.kind is kind and known.acknowledged is not None
        }
        if not acknowledged:
            return
        generations = await self._world.server.generations(kind)
        for key, acknowledgement in acknowledged.items():
            generation = generations.get(key.server_name)
            known = self._world.memory.find(key)
            # Unless it was applied while we asked.
            if known is None or known.acknowledged is not acknowledgement:
                continue
            if generation is None:
                self._lost(key, known)
            elif generation != acknowledgement.server_generation:
                self._changed(key, known)

    def _accounts(self) -> Iterator[Key]:
        for key, known in self._world.memory.items():
            if key.kind is Kind.ACCOUNT and known.acknowledged is not None:
                yield key

    def _learn(self, answer: cap_pb2.BatchGetSpendResponse) -> None:
        for spend in answer.spends:
            key = _account_key(spend.account)
            known = self._world.memory.find(key)
            if known is None:
                continue
            if known.acknowledged and known.acknowledged.server_generation != spend.generation:
                self._changed(key, known)
            # What makes every reading differ, and is not shown.
            spend.ClearField("read_time")
            spend.ClearField("generation")
            if known.spend != spend:
                known.spend = spend
                self._world.spends.add(key)
        for name in answer.missing:
            known = self._world.memory.find(_account_key(name))
            if known is not None:
                self._lost(_account_key(name), known)

    def _changed(self, key: Key, known: Known) -> None:
        """Somebody changed it at the server, if only its keys: what the cluster says holds."""
        known.is_suspect = True
        self._world.resources.add(key)

    def _lost(self, key: Key, known: Known) -> None:
        _log.warning("server_lost_resource", kind=key.kind, key=key.server_name)
        known.acknowledged = None
        self._world.resources.add(key)

    def _pause_seconds(self) -> float:
        pause = self._world.pace.spend_seconds
        return min(_PROBE_SECONDS, pause) if self._world.health.is_silent else pause

    @staticmethod
    def _time() -> float:
        return asyncio.get_running_loop().time()


def _account_key(name: str) -> Key:
    namespace, _, bare = name.partition("/")
    return Key(Kind.ACCOUNT, namespace, bare)


def _batches(keys: Sequence[Key]) -> Iterator[Sequence[Key]]:
    for begin in range(0, len(keys), _BATCH):
        yield keys[begin : begin + _BATCH]
