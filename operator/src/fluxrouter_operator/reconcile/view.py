"""The cluster's resources as the watch streams have delivered them so far: read only, in memory."""

from collections.abc import Iterable, Iterator, Mapping
from typing import Protocol, TypeVar

from fluxrouter_operator.observed import Key, Kind, Observed

__all__ = ["Index", "View"]

K_contra = TypeVar("K_contra", contravariant=True)
V_co = TypeVar("V_co", covariant=True)


class Index(Protocol[K_contra, V_co]):
    """An index of kopf: what was returned for each object, by key."""

    def get(self, key: K_contra, /) -> Iterable[V_co] | None:
        """Returns the values under a key; None where there are none."""
        ...

    def values(self) -> Iterable[Iterable[V_co]]:
        """Returns the values of all keys."""
        ...


class View:
    """The indices, as the questions that decisions ask.

    Args:
        resources: our resources by key, kind by kind.
        accounts_by_plan: keys of accounts by the name of their plan.
        accounts_by_namespace: keys of accounts by their namespace.
        namespaces: labels of namespaces by name.
    """

    def __init__(
        self,
        resources: Mapping[Kind, Index[Key, Observed]],
        accounts_by_plan: Index[str, Key],
        accounts_by_namespace: Index[str, Key],
        namespaces: Index[str, Mapping[str, str]],
    ) -> None:
        self._resources = resources
        self._accounts_by_plan = accounts_by_plan
        self._accounts_by_namespace = accounts_by_namespace
        self._namespaces = namespaces
        self._released: set[str] = set()

    def release(self, observed: Observed) -> None:
        """Takes a resource for gone, whose finalizer was removed.

        A watch stream that broke in between may never tell of it.
        """
        self._released.add(observed.uid)

    def get(self, key: Key) -> Observed | None:
        """Returns a resource; None where there is none."""
        found = None
        for observed in self._resources[key.kind].get(key) or ():
            # A name that was deleted and created again may stand here twice for a moment.
            if observed.uid not in self._released:
                found = observed
        return found

    def all(self) -> Iterator[Observed]:
        """Returns all resources."""
        for kind in Kind:
            yield from self.all_of(kind)

    def all_of(self, kind: Kind) -> Iterator[Observed]:
        """Returns the resources of a kind."""
        for values in list(self._resources[kind].values()):
            for observed in list(values):
                if observed.uid not in self._released:
                    yield observed

    def accounts_of(self, plan: str) -> list[Key]:
        """Returns the accounts that name a plan and are not being deleted."""
        keys = list(self._accounts_by_plan.get(plan) or ())
        accounts = [(key, self.get(key)) for key in keys]
        return [key for key, account in accounts if account is not None and not account.deleting]

    def accounts_in(self, namespace: str) -> list[Key]:
        """Returns the accounts of a namespace."""
        return list(self._accounts_by_namespace.get(namespace) or ())

    def namespace_labels(self, namespace: str) -> Mapping[str, str] | None:
        """Returns the labels of a namespace; None where it was not seen yet."""
        for labels in self._namespaces.get(namespace) or ():
            return labels
        return None
