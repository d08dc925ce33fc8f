"""Resources as the operator remembers them, for tests of its decisions."""

from collections.abc import Mapping
from typing import Any

from fluxrouter_operator.observed import FINALIZER, Key, Kind, Observed


def observed(kind: Kind, name: str, spec: Mapping[str, Any], *, namespace: str = "") -> Observed:
    """A resource with our finalizer, seen once; vary it with `dataclasses.replace`."""
    return Observed(
        key=Key(kind, namespace, name),
        uid=f"uid-{namespace}-{name}",
        generation=1,
        resource_version="1",
        deleting=False,
        finalizers=(FINALIZER,),
        labels={},
        spec=spec,
        status={},
    )


def observed_account(
    name: str = "demo", namespace: str = "default", *, plan: str = "free", **spec: object
) -> Observed:
    """An account of a plan."""
    wanted = {"plan": plan, "paymentMethod": "card", **spec}
    return observed(Kind.ACCOUNT, name, wanted, namespace=namespace)


def observed_plan(name: str = "free", **spec: object) -> Observed:
    """A plan of $1.00."""
    return observed(Kind.PLAN, name, {"capUsd": "1.00", "includedCreditUsd": "1.00", **spec})
