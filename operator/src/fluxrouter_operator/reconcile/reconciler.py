"""All loops together: what runs while the operator runs."""

import asyncio

from fluxrouter_operator.observed import Key
from fluxrouter_operator.reconcile.dependents import Dependents
from fluxrouter_operator.reconcile.key_loop import KeyLoop
from fluxrouter_operator.reconcile.resource_loop import ResourceLoop
from fluxrouter_operator.reconcile.spend_loop import SpendLoop
from fluxrouter_operator.reconcile.spend_reading import SpendReading
from fluxrouter_operator.reconcile.status_loop import StatusLoop
from fluxrouter_operator.reconcile.status_writing import StatusWriter
from fluxrouter_operator.reconcile.world import World

__all__ = ["Reconciler"]


class Reconciler:
    """The loops, and the way in for the watch streams."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._dependents = Dependents(world)
        writer = StatusWriter(world)
        reading = SpendReading(world)
        self._resources = ResourceLoop(world, self._dependents, reading)
        self._keys = KeyLoop(world, writer)
        self._statuses = StatusLoop(world, writer)
        self._spends = SpendLoop(world, reading)
        world.health.on_recovery(self._recovered)

    def resource_seen(self, key: Key) -> None:
        """Called for every event of one of our resources, after the view has it."""
        self._world.resources.add(key)
        if self._world.health.said is not None:
            # Nobody knows when its turn comes; its status must not speak of an older generation.
            self._world.statuses.add(key)

    def namespace_seen(self, name: str) -> None:
        """Called for every event of a namespace, after the view has it."""
        self._dependents.namespace(name)

    async def run(self) -> None:
        """Runs all loops until it is cancelled, or until one of them fails."""
        async with asyncio.TaskGroup() as group:
            for loop in (self._resources, self._keys, self._statuses, self._spends):
                group.create_task(loop.run())
            group.create_task(self._spends.run_health())

    def _recovered(self, was_said: bool) -> None:
        """Does at once what waited for the server, and takes back what was said of its silence."""
        self._world.resources.hurry()
        self._world.keys.hurry()
        if was_said:
            self._world.statuses.add_all(item.key for item in self._world.view.all())
