"""The status of each kind, composed from what is known, as the cluster stores it.

A status is merged into the one before, so what may have been there is written even where it is
empty or zero.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

from fluxrouter.plain_json import to_json
from fluxrouter.v1 import cap_pb2, kubernetes_pb2
from fluxrouter_operator.decisions.conditions import Finding, Standing, State, conditions
from fluxrouter_operator.decisions.instants import timestamp
from fluxrouter_operator.decisions.keys import are_settled
from fluxrouter_operator.decisions.reasons import Reason
from fluxrouter_operator.decisions.spend_status import spend_status

__all__ = ["AccountFacts", "KeyFact", "account_status", "catalog_status", "plan_status"]


_KEYS_PENDING = Finding(
    State.UNKNOWN, Reason.KEYS_PENDING, "The API keys are not in their Secrets as wished yet."
)


@dataclass(frozen=True, slots=True)
class KeyFact:
    """A key that the operator takes care of; `created` is None until its Secret holds it."""

    name: str
    secret_name: str
    rotation: int = 0
    created: datetime | None = None


@dataclass(frozen=True, slots=True)
class AccountFacts:
    """What is known of an account. None where nothing was learned since the operator started."""

    standing: Standing
    spend: cap_pb2.Spend | None
    percents: Sequence[int]
    keys: Sequence[KeyFact] | None


def plan_status(
    standing: Standing, accounts: int, before: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    """Return the status of a plan that so many accounts of this cluster name."""
    status = kubernetes_pb2.PlanStatus(
        observed_generation=standing.generation,
        conditions=conditions(standing, before.get("conditions", ()), now),
        accounts=accounts,
    )
    return {"accounts": 0, **to_json(status)}


def catalog_status(
    standing: Standing, models: int, before: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    """Return the status of the catalog."""
    status = kubernetes_pb2.CatalogStatus(
        observed_generation=standing.generation,
        conditions=conditions(standing, before.get("conditions", ()), now),
        models=models,
    )
    return {"models": 0, **to_json(status)}


def account_status(
    facts: AccountFacts, spec: Mapping[str, Any], before: Mapping[str, Any], now: datetime
) -> dict[str, Any]:
    """Return the status of an account; what is not known anew stays as it was before."""
    document: dict[str, Any] = {}
    if facts.spend is not None:
        earlier = before.get("spend", {})
        spend = to_json(spend_status(facts.spend, earlier, facts.percents))
        document["spend"] = {"announcedPercent": 0, "levels": [], **spend}
    elif "spend" in before:
        document["spend"] = before["spend"]
    if facts.keys or (facts.keys is not None and "apiKeys" in before):
        document["apiKeys"] = [to_json(_key_status(key)) for key in facts.keys]
    elif "apiKeys" in before:
        document["apiKeys"] = before["apiKeys"]
    standing = facts.standing
    if standing.trouble is None and not are_settled(spec, document):
        standing = replace(standing, trouble=_KEYS_PENDING)
    head = kubernetes_pb2.AccountStatus(
        observed_generation=standing.generation,
        conditions=conditions(standing, before.get("conditions", ()), now),
        uid=standing.acknowledged.server_uid if standing.acknowledged else before.get("uid", ""),
    )
    return {**to_json(head), **document}


def _key_status(key: KeyFact) -> kubernetes_pb2.KeyStatus:
    return kubernetes_pb2.KeyStatus(
        name=key.name,
        secret_name=key.secret_name,
        rotation=key.rotation,
        create_time=None if key.created is None else timestamp(key.created),
    )
