"""The loop over resources: takes what is to be looked at, and lets it be applied or deleted."""

from typing import Final

from fluxrouter_operator.observed import Key, Kind, Observed
from fluxrouter_operator.reconcile.applying import Applying
from fluxrouter_operator.reconcile.deleting import Deleting
from fluxrouter_operator.reconcile.dependents import Dependents
from fluxrouter_operator.reconcile.spend_reading import SpendReading
from fluxrouter_operator.reconcile.world import World

__all__ = ["ResourceLoop"]

# A pass is short enough that a plan which changes meanwhile does not wait long for its own.
_PASS: Final = 500


class ResourceLoop:
    """Reconciles resources for ever."""

    def __init__(self, world: World, dependents: Dependents, reading: SpendReading) -> None:
        self._world = world
        self._applying = Applying(world, dependents, reading)
        self._deleting = Deleting(world, dependents)

    async def run(self) -> None:
        """Works until it is cancelled."""
        while True:
            await self.run_pass(await self._world.resources.take(_PASS))

    async def run_pass(self, keys: list[Key]) -> None:
        """Looks at resources once."""
        there: list[Observed] = []
        for key in keys:
            observed = self._world.view.get(key)
            if observed is None:
                await self._deleting.vanished(key)
            else:
                there.append(observed)
        going = [item for item in there if item.deleting]
        await self._deleting.delete([item for item in going if item.key.kind is Kind.ACCOUNT])
        await self._applying.apply([item for item in there if self._is_in_force(item)])
        needed = await self._deleting.delete(
            [item for item in going if item.key.kind is not Kind.ACCOUNT]
        )
        await self._applying.apply([item for item in needed if not self._is_in_force(item)])

    def _is_in_force(self, item: Observed) -> bool:
        """Whether a resource is to be enforced: a deleted plan is, as long as accounts use it."""
        if not item.deleting:
            return True
        return item.key.kind is Kind.PLAN and bool(self._world.view.accounts_of(item.key.name))
