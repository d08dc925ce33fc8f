"""What the pods of a release are told, given and allowed."""

from pathlib import Path
from typing import Any

import yaml

from fluxrouter_testing.chart import Rendered, container_of, environment_of, render
from fluxrouter_testing.chart_scenarios import SCENARIOS

Document = dict[str, Any]


def test_containers_may_do_nothing_that_they_need_not(rendered: Rendered) -> None:
    for name, spec in rendered.pod_specs().items():
        assert spec["securityContext"]["runAsNonRoot"], name
        assert spec["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}, name
        assert spec["enableServiceLinks"] is False, name
        for container in [*spec["containers"], *spec.get("initContainers", ())]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }, name
            assert container["resources"]["requests"]["cpu"], name
            assert container["resources"]["limits"]["memory"], name


def test_valkey_and_the_test_are_given_no_token_of_the_cluster(trial: Rendered) -> None:
    specs = trial.pod_specs()

    assert not specs["StatefulSet/fluxrouter-valkey"]["automountServiceAccountToken"]
    assert not specs["Pod/fluxrouter-test"]["automountServiceAccountToken"]


def test_a_server_that_reviews_no_token_is_given_none() -> None:
    mesh = render(SCENARIOS["mesh"])

    for name, spec in mesh.pod_specs().items():
        assert not spec["automountServiceAccountToken"], name
    assert mesh.of_kind("ClusterRoleBinding") == []


def test_readiness_knows_the_store_and_liveness_does_not(trial: Rendered) -> None:
    server = container_of(trial, "Deployment", "fluxrouter-server")

    assert server["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert server["livenessProbe"]["httpGet"]["path"] == "/healthz"
    assert server["startupProbe"]["httpGet"]["path"] == "/healthz"


def test_a_server_pod_has_time_for_its_pause_and_its_calls() -> None:
    drain = {"pauseSeconds": 7, "leaveSeconds": 3, "graceSeconds": 50}
    rendered = render({"server": {"drain": drain}})
    spec = rendered.pod_specs()["Deployment/fluxrouter-server"]
    (server,) = spec["containers"]

    assert server["lifecycle"]["preStop"] == {"sleep": {"seconds": 7}}
    assert environment_of(server)["FLUXROUTER_DRAIN_PAUSE_SECONDS"] == "3"
    assert environment_of(server)["FLUXROUTER_DRAIN_GRACE_SECONDS"] == "50"
    assert spec["terminationGracePeriodSeconds"] > 60


def test_the_operator_signs_in_with_a_token_for_fluxrouter_alone(trial: Rendered) -> None:
    spec = trial.pod_specs()["Deployment/fluxrouter-operator"]
    (token,) = [volume for volume in spec["volumes"] if volume["name"] == "token"]
    entries = yaml.safe_load(
        trial.one("ConfigMap", "fluxrouter-credentials")["data"]["credentials.yaml"]
    )

    (source,) = token["projected"]["sources"]
    assert source["serviceAccountToken"]["audience"] == "fluxrouter"
    assert entries[0] == {
        "name": "operator",
        "scopes": ["control", "read"],
        "serviceAccount": "flux/fluxrouter-operator",
    }


def test_production_takes_store_and_ledger_from_secrets(production: Rendered) -> None:
    assert production.of_kind("StatefulSet") == []
    assert production.of_kind("PersistentVolumeClaim") == []
    for name in ("fluxrouter-server", "fluxrouter-ledger"):
        environment = environment_of(container_of(production, "Deployment", name))
        assert environment["FLUXROUTER_STORE"] == {"secretKeyRef": {"name": "store", "key": "url"}}
        assert environment["FLUXROUTER_LEDGER_URL"] == {
            "secretKeyRef": {"name": "ledger", "key": "url"}
        }


def test_the_ledger_in_postgresql_is_kept_by_pods_that_take_no_calls(production: Rendered) -> None:
    keeper = container_of(production, "Deployment", "fluxrouter-ledger")
    server = container_of(production, "Deployment", "fluxrouter-server")

    assert environment_of(keeper)["FLUXROUTER_ROLE"] == "ledger"
    assert environment_of(server)["FLUXROUTER_ROLE"] == "serve"
    assert [port["name"] for port in keeper["ports"]] == ["metrics"]
    spec = production.pod_specs()["Deployment/fluxrouter-ledger"]
    assert not spec["automountServiceAccountToken"]


def test_a_ledger_in_a_file_has_one_writer_who_answers_usage(trial: Rendered) -> None:
    spec = trial.one("Deployment", "fluxrouter-ledger")["spec"]
    keeper = container_of(trial, "Deployment", "fluxrouter-ledger")

    assert (spec["replicas"], spec["strategy"]) == (1, {"type": "Recreate"})
    assert "FLUXROUTER_ROLE" not in environment_of(keeper)
    assert "grpc" in [port["name"] for port in keeper["ports"]]


def test_only_the_ledgers_keeper_takes_an_empty_store_for_new(rendered: Rendered) -> None:
    keeper = container_of(rendered, "Deployment", "fluxrouter-ledger")
    server = container_of(rendered, "Deployment", "fluxrouter-server")

    assert environment_of(keeper)["FLUXROUTER_INITIALIZE_STORE"] == "true"
    assert "FLUXROUTER_INITIALIZE_STORE" not in environment_of(server)


def test_the_stores_certificates_are_where_the_settings_say(production: Rendered) -> None:
    for name in ("fluxrouter-server", "fluxrouter-ledger"):
        container = container_of(production, "Deployment", name)
        environment = environment_of(container)
        folders = {mount["mountPath"] for mount in container["volumeMounts"]}

        for variable in ("STORE_CA", "STORE_CERT", "STORE_KEY"):
            path = environment[f"FLUXROUTER_{variable}"]
            assert str(Path(path).parent) in folders, (name, variable)
        assert environment["FLUXROUTER_STORE_REPLICAS"] == "2"
