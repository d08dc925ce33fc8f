"""The cluster's resources as far as they were seen: in memory, kept up to date by whoever watches.

Deleted resources are gone at once; what a broken watch never told is found out by listing again.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping

from fluxrouter_operator.observed import Key, Kind, Observed

__all__ = ["View"]


class View:
    """The resources, and the questions that decisions ask."""

    def __init__(self) -> None:
        self._resources: dict[Key, Observed] = {}
        self._by_plan: defaultdict[str, set[Key]] = defaultdict(set)
        self._by_namespace: defaultdict[str, set[Key]] = defaultdict(set)
        self._namespaces: dict[str, Mapping[str, str]] = {}
        self._released: set[str] = set()

    def put(self, observed: Observed) -> bool:
        """Takes in a resource as it is now; returns whether that is news."""
        if observed.uid in self._released:
            return False  # an echo of what was let go
        before = self._resources.get(observed.key)
        if before is not None and not _is_newer(observed, before):
            return False
        self._unlink(before)
        self._resources[observed.key] = observed
        if observed.key.kind is Kind.ACCOUNT:
            self._by_plan[_plan_of(observed)].add(observed.key)
            self._by_namespace[observed.key.namespace].add(observed.key)
        return True

    def remove(self, key: Key, uid: str) -> bool:
        """Takes out a resource that is no more; returns whether that is news."""
        self._released.discard(uid)
        before = self._resources.get(key)
        if before is None or before.uid != uid:
            return False  # there is another one of that name by now
        self._unlink(before)
        del self._resources[key]
        return True

    def release(self, observed: Observed) -> None:
        """Takes out a resource whose finalizer was removed, whatever is still heard of it."""
        if self.remove(observed.key, observed.uid):
            self._released.add(observed.uid)

    def put_namespace(self, name: str, labels: Mapping[str, str]) -> bool:
        """Takes in a namespace's labels; returns whether they are news."""
        if self._namespaces.get(name) == labels:
            return False
        self._namespaces[name] = labels
        return True

    def remove_namespace(self, name: str) -> None:
        """Takes out a namespace."""
        self._namespaces.pop(name, None)

    def get(self, key: Key) -> Observed | None:
        """Returns a resource; None where there is none."""
        return self._resources.get(key)

    def all(self) -> Iterator[Observed]:
        """Returns all resources, as they are at this moment."""
        return iter(list(self._resources.values()))

    def all_of(self, kind: Kind) -> Iterator[Observed]:
        """Returns the resources of a kind, as they are at this moment."""
        return (item for item in self.all() if item.key.kind is kind)

    def accounts_of(self, plan: str) -> list[Key]:
        """Returns the accounts that name a plan and are not being deleted."""
        keys = self._by_plan.get(plan, ())
        return [key for key in keys if not self._resources[key].deleting]

    def accounts_in(self, namespace: str) -> list[Key]:
        """Returns the accounts of a namespace."""
        return list(self._by_namespace.get(namespace, ()))

    def namespace_labels(self, namespace: str) -> Mapping[str, str] | None:
        """Returns the labels of a namespace; None where it was not seen yet."""
        return self._namespaces.get(namespace)

    def _unlink(self, before: Observed | None) -> None:
        if before is not None and before.key.kind is Kind.ACCOUNT:
            self._by_plan[_plan_of(before)].discard(before.key)
            self._by_namespace[before.key.namespace].discard(before.key)


def _plan_of(account: Observed) -> str:
    return str(account.spec.get("plan", ""))


def _is_newer(observed: Observed, before: Observed) -> bool:
    """Whether one sight of a resource is later than another: lists and streams cross each other."""
    if observed.uid != before.uid:
        return True
    now, then = observed.resource_version, before.resource_version
    return int(now) > int(then) if now.isdecimal() and then.isdecimal() else now != then
