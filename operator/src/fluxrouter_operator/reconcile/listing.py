"""Lists the whole cluster: once before anything is decided, and from time to time afterwards.

The first listing makes sure that no decision is made on half a cluster. The later ones find what a
watch stream lost: a resource that was deleted while the stream was broken is told by nobody.
"""

import asyncio
from collections.abc import Sequence
from typing import Final

import structlog

from fluxrouter_operator.clients.errors import ClientError
from fluxrouter_operator.observed import Key, Kind, Observed, observe
from fluxrouter_operator.reconcile.dependents import Dependents
from fluxrouter_operator.reconcile.world import World

__all__ = ["ListingLoop"]

_log = structlog.get_logger()

# Soon after the start, because of what was deleted between the first listing and the watch.
_FIRST_SECONDS: Final = 10.0


class ListingLoop:
    """Compares the view with the cluster.

    Args:
        world: everything.
        dependents: who is told of namespaces.
        namespaces: where to look for accounts; none means everywhere.
    """

    def __init__(self, world: World, dependents: Dependents, namespaces: Sequence[str]) -> None:
        self._world = world
        self._dependents = dependents
        self._namespaces = namespaces

    async def run(self) -> None:
        """Works until it is cancelled."""
        pause = _FIRST_SECONDS
        while True:
            await asyncio.sleep(pause)
            pause = self._world.pace.resync_seconds
            try:
                await self.list_all()
            except ClientError as error:
                _log.warning("not_listed", error=str(error))
                pause = _FIRST_SECONDS

    async def list_all(self) -> None:
        """Lists everything once, and asks for a look at what is news.

        Raises:
            ClientError: the cluster did not answer, or does not let us.
        """
        async for raw in self._world.cluster.list_namespaces():
            name, labels = raw["metadata"]["name"], raw["metadata"].get("labels", {})
            if self._world.view.put_namespace(name, labels):
                self._dependents.namespace(name)
        for kind in Kind:
            await self._list(kind)

    async def _list(self, kind: Kind) -> None:
        before = {item.key: item for item in self._world.view.all_of(kind)}
        found: set[Key] = set()
        namespaces = self._namespaces if kind is Kind.ACCOUNT else ()
        for namespace in namespaces or ("",):
            async for raw in self._world.cluster.list_resources(kind, namespace):
                observed = observe(kind, raw)
                found.add(observed.key)
                if self._world.view.put(observed):
                    self._world.resources.add(observed.key)
        for key, item in before.items():
            if key not in found:
                self._forget(item)

    def _forget(self, item: Observed) -> None:
        """Takes out what the list lacks, unless it has changed since the list began."""
        current = self._world.view.get(item.key)
        if current is item and self._world.view.remove(item.key, item.uid):
            _log.info("deletion_missed", kind=item.key.kind, key=item.key.server_name)
            self._world.resources.add(item.key)
