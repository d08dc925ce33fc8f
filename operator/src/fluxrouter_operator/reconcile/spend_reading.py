"""Reads what accounts have spent, and whether the server still has what it acknowledged.

One reading for a thousand accounts; a status is written only where it changed. A store that lost
its control data shows here, and gets it back.
"""

from collections.abc import Iterator, Sequence
from typing import Final

import structlog

from fluxrouter.v1 import cap_pb2
from fluxrouter_operator.observed import Key, Kind
from fluxrouter_operator.reconcile.memory import Known
from fluxrouter_operator.reconcile.world import World

__all__ = ["SpendReading"]

_log = structlog.get_logger()

_BATCH: Final = 1000


class SpendReading:
    """Reads the server's counters and generations. Every method raises ServerUnreachable."""

    def __init__(self, world: World) -> None:
        self._world = world

    async def read_all(self) -> None:
        """Reads everything once.

        Raises:
            ServerRefused: the server does not let us.
        """
        for kind in (Kind.CATALOG, Kind.PLAN):
            await self._compare(kind)
        await self.read_accounts(sorted(self._accounts()))

    async def read_accounts(self, keys: Sequence[Key]) -> None:
        """Reads the counters of accounts.

        Raises:
            ServerRefused: the server does not let us.
        """
        for batch in _batches(keys):
            self._learn(await self._world.server.spends([key.server_name for key in batch]))

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


def _account_key(name: str) -> Key:
    namespace, _, bare = name.partition("/")
    return Key(Kind.ACCOUNT, namespace, bare)


def _batches(keys: Sequence[Key]) -> Iterator[Sequence[Key]]:
    for begin in range(0, len(keys), _BATCH):
        yield keys[begin : begin + _BATCH]
