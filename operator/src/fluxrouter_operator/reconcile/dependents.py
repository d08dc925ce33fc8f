"""Who else has to be looked at when a resource changes."""

from fluxrouter_operator.observed import Key, Kind, Observed
from fluxrouter_operator.reconcile.memory import Known
from fluxrouter_operator.reconcile.world import World

__all__ = ["Dependents"]


class Dependents:
    """Asks for a look at what refers to a resource, or is referred to by it."""

    def __init__(self, world: World) -> None:
        self._world = world

    def before(self, item: Observed, known: Known) -> None:
        """Called when a resource is looked at, before anything is known of its new state."""
        match item.key.kind:
            case Kind.ACCOUNT:
                self._moved(item, known)
            case Kind.PLAN:
                selector = item.spec.get("namespaceSelector")
                if selector != known.selector:
                    known.selector = selector
                    self._world.resources.add_all(self._world.view.accounts_of(item.key.name))
            case Kind.CATALOG:
                pass

    def after(self, item: Observed) -> None:
        """Called when the server has acknowledged new content of a resource."""
        match item.key.kind:
            case Kind.ACCOUNT:
                pass
            case Kind.PLAN:
                accounts = self._world.view.accounts_of(item.key.name)
                self._world.resources.add_all(key for key in accounts if self._is_waiting(key))
                # A catalog without a model waits for the plans that still name it.
                self._wake_refused(Kind.CATALOG)
            case Kind.CATALOG:
                self._wake_refused(Kind.PLAN, Kind.ACCOUNT)

    def gone(self, key: Key, known: Known | None) -> None:
        """Called when a resource is no more."""
        match key.kind:
            case Kind.ACCOUNT:
                if known is not None and known.plan:
                    self._look_at_plan(known.plan)
            case Kind.PLAN:
                self._world.resources.add_all(self._world.view.accounts_of(key.name))
                self._world.resources.add_all(
                    catalog.key for catalog in self._world.view.all_of(Kind.CATALOG)
                )
            case Kind.CATALOG:
                pass

    def namespace(self, name: str) -> None:
        """Called when the labels of a namespace may have changed."""
        for key in self._world.view.accounts_in(name):
            account = self._world.view.get(key)
            if account is not None and self._has_selector(account):
                self._world.resources.add(key)

    def _moved(self, item: Observed, known: Known) -> None:
        plan = str(item.spec.get("plan", ""))
        if plan == known.plan:
            return
        for name in filter(None, (known.plan, plan)):
            self._look_at_plan(name)
        known.plan = plan

    def _look_at_plan(self, name: str) -> None:
        """Its number of accounts has changed, and with it perhaps whether it may be deleted."""
        plan = self._world.view.get(Key(Kind.PLAN, "", name))
        if plan is None:
            return
        self._world.statuses.add(plan.key)
        if plan.deleting:
            self._world.resources.add(plan.key)

    def _wake_refused(self, *kinds: Kind) -> None:
        for key, known in self._world.memory.items():
            if key.kind in kinds and not known.is_accepted:
                self._world.resources.add(key)

    def _is_waiting(self, key: Key) -> bool:
        known = self._world.memory.find(key)
        return known is None or not known.is_accepted

    def _has_selector(self, account: Observed) -> bool:
        plan = self._world.view.get(Key(Kind.PLAN, "", str(account.spec.get("plan", ""))))
        return plan is not None and bool(plan.spec.get("namespaceSelector"))
