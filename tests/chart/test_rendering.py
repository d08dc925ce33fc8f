"""What the chart makes of values, without a cluster."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
import yaml

from fluxrouter_testing.chart import CHART, Rendered, helm, render
from fluxrouter_testing.chart_scenarios import SCENARIOS

Document = dict[str, Any]


@pytest.mark.parametrize("values", SCENARIOS.values(), ids=SCENARIOS)
def test_helm_lint_has_nothing_to_say_against_realistic_values(values: Document) -> None:
    helm("lint", "--strict", str(CHART), values=values)


def test_rendering_again_changes_nothing(
    rendered: Rendered, request: pytest.FixtureRequest
) -> None:
    values = SCENARIOS[request.node.callspec.params["rendered"]]

    assert render(values) == rendered


def test_every_object_says_whose_it_is(rendered: Rendered) -> None:
    for document in rendered.documents:
        labels = document["metadata"]["labels"]
        assert labels["app.kubernetes.io/name"] == "fluxrouter", document["metadata"]
        assert labels["app.kubernetes.io/instance"] == "fluxrouter"
        assert labels["app.kubernetes.io/managed-by"] == "Helm"


def test_selectors_hold_nothing_that_a_new_version_changes(rendered: Rendered) -> None:
    for document in rendered.documents:
        selector = document.get("spec", {}).get("selector")
        if document["kind"] in {"Deployment", "StatefulSet"}:
            assert set(selector["matchLabels"]) == {
                "app.kubernetes.io/name",
                "app.kubernetes.io/instance",
                "app.kubernetes.io/component",
            }
            labels = document["spec"]["template"]["metadata"]["labels"]
            assert selector["matchLabels"].items() <= labels.items()


def test_no_object_is_a_hook_of_install_or_upgrade(rendered: Rendered) -> None:
    hooks = {
        document["metadata"].get("annotations", {}).get("helm.sh/hook")
        for document in rendered.documents
    }

    assert hooks <= {None, "test"}


def test_no_secret_stands_in_what_is_rendered(rendered: Rendered) -> None:
    for secret in rendered.of_kind("Secret"):
        assert not {"data", "stringData"} & set(secret)


def test_an_upgrade_adds_a_pod_before_it_takes_one(trial: Rendered) -> None:
    spec = trial.one("Deployment", "fluxrouter-server")["spec"]

    assert spec["strategy"]["rollingUpdate"] == {"maxSurge": 1, "maxUnavailable": 0}


def test_the_operator_runs_once(trial: Rendered) -> None:
    spec = trial.one("Deployment", "fluxrouter-operator")["spec"]

    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})


def test_the_operator_may_do_what_its_rules_say(trial: Rendered) -> None:
    rules = yaml.safe_load((CHART / "files" / "operator-rules.yaml").read_text())

    role = trial.one("ClusterRole", "flux-fluxrouter-operator")
    assert role["rules"] == rules["cluster"] + rules["namespaced"]


def test_an_operator_of_some_namespaces_reads_secrets_nowhere_else() -> None:
    rendered = render(SCENARIOS["two-namespaces"])
    rules = yaml.safe_load((CHART / "files" / "operator-rules.yaml").read_text())

    role = rendered.one("ClusterRole", "flux-fluxrouter-operator")
    assert role["rules"] == rules["cluster"]
    assert {
        item["metadata"]["namespace"]
        for item in rendered.of_kind("Role")
        if item["rules"] == rules["namespaced"]
    } == {"team-a", "team-b"}


def test_the_trial_runs_a_store_that_loses_nothing(trial: Rendered) -> None:
    configuration = trial.one("ConfigMap", "fluxrouter-valkey")["data"]["valkey.conf"].split("\n")

    assert trial.one("StatefulSet", "fluxrouter-valkey")["spec"]["replicas"] == 1
    assert "appendfsync always" in configuration
    assert "maxmemory-policy noeviction" in configuration


def test_policies_let_in_only_who_is_named(production: Rendered) -> None:
    ingress = production.one("NetworkPolicy", "fluxrouter-server")["spec"]["ingress"]
    peers = {rule["ports"][0]["port"]: rule["from"] for rule in ingress}

    assert {"podSelector": {"matchLabels": {"calls": "fluxrouter"}}} in peers["grpc"]
    assert len(peers["grpc"]) == 3  # and the operator, and the test
    assert peers["metrics"] == [{"namespaceSelector": {"matchLabels": {"team": "monitoring"}}}]


def test_valkey_is_reached_by_servers_and_ledger_and_reaches_nobody(trial: Rendered) -> None:
    spec = trial.one("NetworkPolicy", "fluxrouter-valkey")["spec"]

    (rule,) = spec["ingress"]
    components = [
        peer["podSelector"]["matchLabels"]["app.kubernetes.io/component"] for peer in rule["from"]
    ]
    assert components == ["server", "ledger"]
    assert (spec["egress"], spec["policyTypes"]) == ([], ["Ingress", "Egress"])


def test_an_autoscaled_deployment_leaves_its_replicas_to_the_autoscaler(
    production: Rendered,
) -> None:
    assert "replicas" not in production.one("Deployment", "fluxrouter-server")["spec"]
    autoscaler = production.one("HorizontalPodAutoscaler", "fluxrouter-server")["spec"]
    (metric,) = autoscaler["metrics"]
    assert metric["containerResource"]["container"] == "server"


def test_definitions_stay_when_the_release_goes(trial: Rendered) -> None:
    definitions = trial.of_kind("CustomResourceDefinition")

    assert len(definitions) == 3
    for definition in definitions:
        assert definition["metadata"]["annotations"]["helm.sh/resource-policy"] == "keep"


def test_a_changed_credential_restarts_the_servers(trial: Rendered) -> None:
    caller = {"name": "gateway", "scopes": ["route"], "serviceAccount": "shop/gateway"}
    changed = render({"server": {"credentials": [caller]}})

    def annotations(rendered: Rendered) -> Document:
        template = rendered.one("Deployment", "fluxrouter-server")["spec"]["template"]
        return dict(template["metadata"]["annotations"])

    assert annotations(changed) != annotations(trial)


def test_rules_and_dashboards_of_the_chart_are_shipped(tmp_path: Path) -> None:
    chart = tmp_path / "fluxrouter"
    shutil.copytree(CHART, chart)
    for name, text in (("rules/a.yaml", "groups: [{name: ours}]"), ("dashboards/b.json", "{}")):
        path = chart / "files" / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    metrics = {"prometheusRule": {"enabled": True}, "dashboards": {"enabled": True}}

    rendered = render({"metrics": metrics}, chart=chart)

    groups = rendered.one("PrometheusRule", "fluxrouter")["spec"]["groups"]
    assert {"name": "ours"} in groups
    assert rendered.one("ConfigMap", "fluxrouter-dashboard-b")["data"] == {"b.json": "{}\n"}


#: What people may give beside the values that have a default.
_WITHOUT_DEFAULT = {
    "values.global",
    "values.server.disruptionBudget.minAvailable",
    "values.valkey.image.repository",
    "values.valkey.image.tag",
}


def test_the_schema_knows_the_values_and_no_others() -> None:
    schema = json.loads((CHART / "values.schema.json").read_text())
    values = yaml.safe_load((CHART / "values.yaml").read_text())

    def named(known: Document, where: str) -> set[str]:
        if where.endswith((".resources", ".issuer")):
            return {where}
        known = schema["definitions"][known["$ref"].split("/")[-1]] if "$ref" in known else known
        parts = known.get("properties")
        if parts is None:
            return {where}
        assert known["additionalProperties"] is False, where
        return {name for key, part in parts.items() for name in named(part, f"{where}.{key}")}

    def given(value: object, where: str) -> set[str]:
        if not isinstance(value, dict) or where.endswith((".resources", ".issuer")):
            return {where}
        below = (given(part, f"{where}.{key}") for key, part in value.items())
        return set().union(*below) if value else {where}

    free = {"values.valkey.image", "values.metrics.dashboards.labels.grafana_dashboard"}
    known = named(schema, "values") - _WITHOUT_DEFAULT - {"values.metrics.dashboards.labels"}
    assert given(values, "values") - free == known
