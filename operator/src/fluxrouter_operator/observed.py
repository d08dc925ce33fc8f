"""Resources as the cluster has them, reduced to what decisions need.

The watch streams deliver raw objects of several kilobytes; one of these, without managed fields and
annotations, is what the operator remembers of each. Two that are equal mean the same.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

GROUP: Final = "fluxrouter.ai"
VERSION: Final = "v1alpha1"
API_VERSION: Final = f"{GROUP}/{VERSION}"
#: Keeps a deleted resource until the server has forgotten it.
FINALIZER: Final = "fluxrouter.ai/operator"


class Kind(StrEnum):
    """Kinds of resources, in the order in which one refers to the one before."""

    CATALOG = "Catalog"
    PLAN = "Plan"
    ACCOUNT = "Account"

    @property
    def plural(self) -> str:
        """The kind's name in addresses."""
        return f"{self.lower()}s"


@dataclass(frozen=True, slots=True, order=True)
class Key:
    """Which resource; the namespace is empty for kinds that have none."""

    kind: Kind
    namespace: str
    name: str

    @property
    def server_name(self) -> str:
        """The resource's name at the server: accounts bring their namespace."""
        return f"{self.namespace}/{self.name}" if self.kind is Kind.ACCOUNT else self.name


@dataclass(frozen=True, slots=True)
class Observed:
    """One resource as it was seen last.

    `spec` and `status` are JSON as the cluster stores it, defaults included; they are shared and
    never changed. `finalizers` are those of everybody.
    """

    key: Key
    uid: str
    generation: int
    resource_version: str
    deleting: bool
    finalizers: tuple[str, ...]
    labels: Mapping[str, str]
    spec: Mapping[str, Any]
    status: Mapping[str, Any]

    @property
    def is_finalized(self) -> bool:
        """Whether our finalizer is on it."""
        return FINALIZER in self.finalizers


def observe(kind: Kind, raw: Mapping[str, Any]) -> Observed:
    """Reads one of our resources as the API server delivers it."""
    meta = raw["metadata"]
    return Observed(
        key=Key(kind, meta.get("namespace", ""), meta["name"]),
        uid=meta["uid"],
        generation=meta.get("generation", 0),
        resource_version=meta["resourceVersion"],
        deleting="deletionTimestamp" in meta,
        finalizers=tuple(meta.get("finalizers", ())),
        labels=meta.get("labels", {}),
        spec=raw.get("spec", {}),
        status=raw.get("status", {}),
    )
