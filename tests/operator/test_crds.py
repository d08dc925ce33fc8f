"""What a person sees of our kinds in a cluster."""

import re
from collections.abc import Iterator

import pytest

from fluxrouter_testing.kubernetes_api import KubernetesApi
from fluxrouter_testing.kubernetes_samples import (
    ABSENT,
    Document,
    account_document,
    catalog_document,
    plan_document,
)

KINDS = ("plans", "accounts", "catalogs")


@pytest.mark.parametrize("kind", KINDS)
def test_the_schema_is_structural_and_prunes(kubernetes: KubernetesApi, kind: str) -> None:
    definition = kubernetes.get("crd", f"{kind}.fluxrouter.ai")
    conditions = {item["type"]: item["status"] for item in definition["status"]["conditions"]}
    assert conditions["Established"] == "True"
    assert conditions.get("NonStructuralSchema", "False") == "False"
    assert not definition["spec"].get("preserveUnknownFields", False)


def test_explain_reads_like_documentation(kubernetes: KubernetesApi) -> None:
    text = " ".join(kubernetes.kubectl("explain", "account.spec.budgets").split())
    assert "Named caps for requests that carry certain labels." in text
    assert "Labels that a request must carry, all of them; at least one." in text


@pytest.mark.parametrize("kind", KINDS)
def test_every_field_is_explained_as_yaml_spells_it(kubernetes: KubernetesApi, kind: str) -> None:
    (version,) = kubernetes.get("crd", f"{kind}.fluxrouter.ai")["spec"]["versions"]
    root = version["schema"]["openAPIV3Schema"]
    fields = dict(all_fields(root, ""))
    assert [path for path, text in fields.items() if not text and path != ".metadata"] == []
    assert [path for path, text in fields.items() if re.search("`[a-z]+_[a-z_]+`", text)] == []


def test_short_names_and_the_category_list_our_kinds(kubernetes: KubernetesApi) -> None:
    account = account_document("listed", plan="listed")
    kubernetes.apply(catalog_document(), plan_document("listed"), account)
    names = {"fxp": "plan", "fxa": "account", "fxc": "catalog"}
    listed = {short: kubernetes.kubectl("get", short, "-o", "name").split() for short in names}
    everything = kubernetes.kubectl("get", "fluxrouter", "-o", "name").split()
    for short, kind in names.items():
        name = f"{kind}.fluxrouter.ai/{'default' if kind == 'catalog' else 'listed'}"
        assert name in listed[short]
        assert name in everything


def test_columns_show_what_one_asks_first(kubernetes: KubernetesApi) -> None:
    kubernetes.apply(plan_document("columns"), account_document("columns", plan="columns"))
    plans = kubernetes.kubectl("get", "plans", "columns").splitlines()
    accounts = kubernetes.kubectl("get", "accounts", "columns").splitlines()
    assert plans[0].split() == [
        *("NAME", "FEE", "CREDIT", "CAP", "RPS", "ACCOUNTS", "READY", "AGE")
    ]
    assert plans[1].split()[:4] == ["columns", "0", "1.00", "1.00"]
    assert accounts[0].split() == [
        *("NAME", "PLAN", "SPENT", "CAP", "REMAINING", "RESETS", "READY", "AGE")
    ]


def test_a_ceiling_is_shown_as_the_cap_it_is(kubernetes: KubernetesApi) -> None:
    kubernetes.apply(plan_document("ceiling", overage="metered", ceilingUsd="7.00", capUsd=ABSENT))
    assert "7.00" in kubernetes.kubectl("get", "plan", "ceiling")


def test_defaults_are_written_out(kubernetes: KubernetesApi) -> None:
    kubernetes.apply(plan_document("defaults"), account_document("defaults", plan="defaults"))
    plan = kubernetes.get("plan", "defaults")["spec"]
    account = kubernetes.get("account", "defaults")["spec"]
    assert plan["holds"] == {"expirySeconds": 120, "onExpiry": "charge", "minOutputTokens": 16}
    assert (plan["feeUsd"], plan["overage"], plan["enforcement"]) == ("0", "none", "enforce")
    assert plan["alertPercents"] == [80, 100]
    assert account["billing"] == {"anchorDay": 1, "timeZone": "UTC"}
    assert account["suspended"] is False


def all_fields(schema: Document, path: str) -> Iterator[tuple[str, str]]:
    """Yields each field of a schema with its description."""
    for name, field in schema.get("properties", {}).items():
        yield f"{path}.{name}", field.get("description", "")
        yield from all_fields(field, f"{path}.{name}")
        yield from all_fields(field.get("items", {}), f"{path}.{name}[]")
