"""helm installs, upgrades, rolls back and uninstalls the chart on a real API server."""

import contextlib
import itertools
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from fluxrouter_testing.chart import CHART, HelmError, Release
from fluxrouter_testing.kubernetes_api import KubectlError, KubernetesApi

Document = dict[str, Any]

_ACCOUNT = {
    "apiVersion": "fluxrouter.ai/v1alpha1",
    "kind": "Account",
    "metadata": {"name": "shop", "namespace": "default"},
    "spec": {"plan": "free"},
}
_numbers = itertools.count()


@pytest.fixture
def release(cluster: KubernetesApi) -> Iterator[Release]:
    """A release of its own; the definitions of kinds, which stay, go after the test."""
    namespace = f"release-{next(_numbers)}"
    cluster.kubectl("create", "namespace", namespace)
    made = Release(cluster.kubeconfig, namespace)
    yield made
    with contextlib.suppress(HelmError):  # where the test did it
        made.uninstall()
    cluster.kubectl("delete", "crd", "--all", "--ignore-not-found")


def _deployment(cluster: KubernetesApi, release: Release, name: str = "server") -> Document:
    found: Document = cluster.get("deployment", f"fluxrouter-{name}", "-n", release.namespace)
    return found


def _apply_account(cluster: KubernetesApi) -> None:
    cluster.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    cluster.apply(_ACCOUNT)


def test_an_upgrade_brings_new_values_and_a_rollback_the_old_ones(
    cluster: KubernetesApi, release: Release
) -> None:
    release.install()
    release.upgrade({"server": {"replicas": 5}})
    assert _deployment(cluster, release)["spec"]["replicas"] == 5

    release.rollback(1)

    assert _deployment(cluster, release)["spec"]["replicas"] == 2


def test_an_upgrade_with_the_same_values_changes_no_pod(
    cluster: KubernetesApi, release: Release
) -> None:
    release.install()
    before = _deployment(cluster, release)["metadata"]["generation"]

    release.upgrade()

    assert _deployment(cluster, release)["metadata"]["generation"] == before


def test_accounts_survive_an_upgrade_of_the_definitions(
    cluster: KubernetesApi, release: Release, tmp_path: Path
) -> None:
    release.install(chart=_older_chart(tmp_path))
    _apply_account(cluster)

    release.upgrade()

    definition = cluster.get("crd", "accounts.fluxrouter.ai")
    assert "x-older" not in yaml.safe_dump(definition)
    assert cluster.get("account", "shop")["spec"]["plan"] == "free"


def test_definitions_and_accounts_survive_an_uninstall(
    cluster: KubernetesApi, release: Release
) -> None:
    release.install()
    _apply_account(cluster)

    release.uninstall()

    assert cluster.get("account", "shop")["spec"]["plan"] == "free"
    with pytest.raises(KubectlError, match="not found"):
        _deployment(cluster, release)


def test_what_an_uninstall_left_is_taken_over_by_the_next_install(
    cluster: KubernetesApi, release: Release
) -> None:
    release.install()
    _apply_account(cluster)
    release.uninstall()

    release.install()

    assert cluster.get("account", "shop")["spec"]["plan"] == "free"


def test_a_secret_that_pods_filled_stays_as_it_is(cluster: KubernetesApi, release: Release) -> None:
    release.install()
    path = f"/api/v1/namespaces/{release.namespace}/secrets/fluxrouter-generated"
    filled = {**cluster.call("GET", path), "data": {"store-url": "eA=="}}
    cluster.call("PUT", path, filled)

    release.upgrade({"server": {"replicas": 3}})
    release.rollback(1)

    assert cluster.call("GET", path)["data"] == {"store-url": "eA=="}


def test_two_releases_share_a_cluster(cluster: KubernetesApi, release: Release) -> None:
    other = Release(release.kubeconfig, release.namespace, "second")
    release.install()

    other.install({"crds": {"install": False}})

    names = [
        item["metadata"]["name"]
        for item in cluster.get("deployment", "-n", release.namespace)["items"]
    ]
    assert sorted(names) == [
        f"{name}-{part}"
        for name in ("fluxrouter", "second-fluxrouter")
        for part in ("ledger", "operator", "server")
    ]
    other.uninstall()


def _older_chart(folder: Path) -> Path:
    """Copies the chart as an earlier version that described accounts differently."""
    chart = folder / "fluxrouter"
    shutil.copytree(CHART, chart)
    path = chart / "files" / "crds" / "accounts.fluxrouter.ai.yaml"
    definition = yaml.safe_load(path.read_text())
    schema = definition["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    schema["description"] = "x-older"
    path.write_text(yaml.safe_dump(definition))
    version = chart / "Chart.yaml"
    version.write_text(version.read_text().replace("version: 0.1.0\n", "version: 0.0.9\n", 1))
    return chart
