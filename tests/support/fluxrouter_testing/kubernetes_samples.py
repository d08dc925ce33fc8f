"""Plans, accounts and catalogs as YAML has them, and a way to vary one field."""

import copy
from collections.abc import Mapping
from typing import Any, Final

API_VERSION: Final = "fluxrouter.ai/v1alpha1"
#: Stands for a field that is left out.
ABSENT: Final = object()

Document = dict[str, Any]


def plan_document(name: str = "free", **spec: object) -> Document:
    """The Free plan without its rate limit, under any name."""
    wanted = {"capUsd": "1.00", "includedCreditUsd": "1.00", "paymentMethodRequired": True, **spec}
    return {
        "apiVersion": API_VERSION,
        "kind": "Plan",
        "metadata": {"name": name},
        "spec": {field: value for field, value in wanted.items() if value is not ABSENT},
    }


def account_document(
    name: str = "demo", namespace: str = "default", *, plan: str = "free", **spec: object
) -> Document:
    """An account with a card."""
    return {
        "apiVersion": API_VERSION,
        "kind": "Account",
        "metadata": {"name": name, "namespace": namespace},
        "spec": {"plan": plan, "paymentMethod": "card", **spec},
    }


def catalog_document() -> Document:
    """One lane with one model, for all tiers."""
    model = {
        "id": "small-1",
        "lane": "express",
        "contextWindowTokens": 100_000,
        "maxOutputTokens": 4_000,
        "defaultOutputTokens": 1_000,
        "protocols": ["chat-completions"],
        "upstream": "test",
    }
    card = {"inputUsdPerMillion": "1", "outputUsdPerMillion": "4"}
    return {
        "apiVersion": API_VERSION,
        "kind": "Catalog",
        "metadata": {"name": "default"},
        "spec": {
            "lanes": [{"id": "express", "rateCards": [card]}],
            "models": [model],
            "tiers": [
                {"tier": tier, "models": ["small-1"]} for tier in ("fast", "standard", "reasoning")
            ],
            "aliases": [{"id": "flux-auto", "target": "auto"}],
        },
    }


def varied(document: Document, changes: Mapping[str, object]) -> Document:
    """Returns a copy with fields set by path, such as `models.0.lane` below `spec`.

    A path that begins with `metadata.` counts from the top. `ABSENT` removes the field.
    """
    changed = copy.deepcopy(document)
    for path, value in changes.items():
        top: Any = changed if path.startswith("metadata.") else changed["spec"]
        *parents, last = path.split(".")
        for parent in parents:
            top = top[int(parent)] if isinstance(top, list) else top.setdefault(parent, {})
        if value is ABSENT:
            del top[last]
        else:
            top[int(last) if isinstance(top, list) else last] = value
    return changed


def path_of(document: Document) -> str:
    """Returns where the API server has the collection of a document."""
    namespace = document["metadata"].get("namespace")
    within = f"namespaces/{namespace}/" if namespace else ""
    return f"/apis/{API_VERSION}/{within}{document['kind'].lower()}s"
