"""All loops together: what runs while the operator runs."""

import asyncio
from collections.abc import Mapping, Sequence

from fluxrouter_operator.observed import Key, Observed
from fluxrouter_operator.reconcile.dependents import Dependents
from fluxrouter_operator.reconcile.key_loop import KeyLoop
from fluxrouter_operator.reconcile.listing import ListingLoop
from fluxrouter_operator.reconcile.resource_loop import ResourceLoop
from fluxrouter_operator.reconcile.spend_loop import SpendLoop
from fluxrouter_operator.reconcile.spend_reading import SpendReading
from fluxrouter_operator.reconcile.status_loop import StatusLoop
from fluxrouter_operator.reconcile.status_writing import StatusWriter
from fluxrouter_operator.reconcile.world import World

__all__ = ["Reconciler"]


class Reconciler:
    """The loops, and the way in for the watch streams.

    Args:
        world: everything.
        namespaces: where to look for accounts; none means everywhere.
    """

    def __init__(self, world: World, namespaces: Sequence[str] = ()) -> None:
        self._world = world
        self._dependents = Dependents(world)
        writer = StatusWriter(world)
        reading = SpendReading(world)
        self._listing = ListingLoop(world, self._dependents, namespaces)
        self._spends = SpendLoop(world, reading)
        self._loops = (
            ResourceLoop(world, self._dependents, reading),
            KeyLoop(world, writer),
            StatusLoop(world, writer),
            self._spends,
            self._listing,
        )
        world.health.on_recovery(self._recovered)

    async def fill(self) -> None:
        """Lists the whole cluster, before which nothing may run.

        Raises:
            ClientError: the cluster did not answer, or does not let us.
        """
        await self._listing.list_all()

    async def run(self) -> None:
        """Runs all loops until it is cancelled, or until one of them fails."""
        async with asyncio.TaskGroup() as group:
            for loop in self._loops:
                group.create_task(loop.run())
            group.create_task(self._spends.run_health())

    def resource_seen(self, observed: Observed) -> None:
        """Takes in a resource as it is now."""
        if self._world.view.put(observed):
            self._look(observed.key)

    def resource_gone(self, observed: Observed) -> None:
        """Takes in that a resource is no more."""
        if self._world.view.remove(observed.key, observed.uid):
            self._look(observed.key)

    def namespace_seen(self, name: str, labels: Mapping[str, str]) -> None:
        """Takes in a namespace as it is now."""
        if self._world.view.put_namespace(name, labels):
            self._dependents.namespace(name)

    def namespace_gone(self, name: str) -> None:
        """Takes in that a namespace is no more."""
        self._world.view.remove_namespace(name)

    def _look(self, key: Key) -> None:
        self._world.resources.add(key)
        if self._world.health.said is not None:
            # Nobody knows when its turn comes; its status must not speak of an older generation.
            self._world.statuses.add(key)

    def _recovered(self, was_said: bool) -> None:
        """Does at once what waited for the server, and takes back what was said of its silence."""
        self._world.resources.hurry()
        self._world.keys.hurry()
        if was_said:
            self._world.statuses.add_all(item.key for item in self._world.view.all())
