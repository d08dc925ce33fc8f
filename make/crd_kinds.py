"""The kinds of resources as a cluster lists them: names, scope, columns and rules of identity."""

from __future__ import annotations

from dataclasses import dataclass

from crd_constraints import Rule

GROUP = "fluxrouter.ai"
VERSION = "v1alpha1"

_SHORT_NAME = Rule(
    "size(self.metadata.name) <= 63", "a name must not be longer than 63 characters", ".metadata"
)
_READY = '.status.conditions[?(@.type=="Ready")]'


@dataclass(frozen=True, slots=True)
class Column:
    """A column of `kubectl get`; one of priority 1 is shown under `-o wide` only."""

    name: str
    path: str
    type: str = "string"
    description: str = ""
    priority: int = 0


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind: its messages, and how the cluster shows it."""

    name: str
    plural: str
    short: str
    scope: str
    spec: str
    status: str
    columns: tuple[Column, ...]
    rules: tuple[Rule, ...] = (_SHORT_NAME,)


_STATE = (
    Column("Ready", f"{_READY}.status", description="Whether all is well."),
    Column("Reason", f"{_READY}.reason", priority=1),
    Column("Age", ".metadata.creationTimestamp", "date"),
)

KINDS = (
    Kind(
        name="Plan",
        plural="plans",
        short="fxp",
        scope="Cluster",
        spec="PlanSpec",
        status="PlanStatus",
        columns=(
            Column("Fee", ".spec.feeUsd", description="Fee of a month in USD."),
            Column("Credit", ".spec.includedCreditUsd", description="Included credit in USD."),
            Column("Cap", ".spec['capUsd','ceilingUsd']", description="Hard stop of a month."),
            Column("RPS", ".spec.rateLimits.requestsPerSecond", "integer"),
            Column("Accounts", ".status.accounts", "integer"),
            *_STATE,
        ),
    ),
    Kind(
        name="Account",
        plural="accounts",
        short="fxa",
        scope="Namespaced",
        spec="AccountSpec",
        status="AccountStatus",
        columns=(
            Column("Plan", ".spec.plan"),
            Column("Spent", ".status.spend.settledUsd", description="Charged this month, in USD."),
            Column("Cap", ".status.spend.capUsd", description="Hard stop of the month."),
            Column("Remaining", ".status.spend.remainingUsd", description="May still be spent."),
            # A date column shows ages, and this instant lies in the future.
            Column("Resets", ".status.spend.resetTime", description="When spending starts anew."),
            *_STATE,
        ),
    ),
    Kind(
        name="Catalog",
        plural="catalogs",
        short="fxc",
        scope="Cluster",
        spec="CatalogSpec",
        status="CatalogStatus",
        columns=(Column("Models", ".status.models", "integer"), *_STATE),
        rules=(
            Rule(
                "self.metadata.name == 'default'",
                "there is one catalog, and its name is default",
                ".metadata",
            ),
        ),
    ),
)
