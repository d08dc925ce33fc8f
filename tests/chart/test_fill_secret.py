"""The Secret that the chart leaves empty is filled once, by whoever comes first."""

import itertools
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from fluxrouter_testing.chart import Release
from fluxrouter_testing.kubernetes_api import KubectlError, KubernetesApi

Run = Callable[..., subprocess.CompletedProcess[str]]

_SECRET = "fluxrouter-generated"
_numbers = itertools.count()


@pytest.fixture
def namespace(cluster: KubernetesApi) -> str:
    """A namespace with a release; its pods, which nobody starts here, would fill the Secret."""
    name = f"fill-{next(_numbers)}"
    cluster.kubectl("create", "namespace", name)
    Release(cluster.kubeconfig, name, f"fluxrouter-{name}").install(
        {"fullnameOverride": "fluxrouter", "crds": {"install": False}}
    )
    return name


@pytest.fixture
def fill(cluster: KubernetesApi, namespace: str) -> Run:
    """Fills it as a server's pod would: with the permissions of its ServiceAccount."""
    kubeconfig = cluster.service_account_kubeconfig(namespace, "fluxrouter-server")

    def run(*options: str, name: str = _SECRET) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "fluxrouter_server", "fill-secret", name]
        return subprocess.run(
            [*command, f"--namespace={namespace}", "--dns=fluxrouter", *options],
            env={"KUBECONFIG": str(kubeconfig)},
            capture_output=True,
            text=True,
            check=False,
        )

    return run


def _data(cluster: KubernetesApi, namespace: str) -> dict[str, Any]:
    return dict(cluster.get("secret", _SECRET, "-n", namespace).get("data", {}))


def test_pods_that_start_together_agree_on_what_is_secret(
    fill: Run, cluster: KubernetesApi, namespace: str, tmp_path: Path
) -> None:
    folders = [tmp_path / str(number) for number in range(4)]
    for folder in folders:
        folder.mkdir()

    with ThreadPoolExecutor() as pods:
        done = list(pods.map(lambda folder: fill("--store=s:6379", f"--copy-to={folder}"), folders))

    assert [pod.returncode for pod in done] == [0] * 4, done
    assert len({(folder / "tls.crt").read_text() for folder in folders}) == 1
    assert {*_data(cluster, namespace)} == {
        *("ca.crt", "tls.crt", "tls.key"),
        *("store-url", "valkey-password.conf"),
    }


def test_what_is_there_stays_and_what_is_missing_is_added(
    fill: Run, cluster: KubernetesApi, namespace: str
) -> None:
    fill()
    before = _data(cluster, namespace)

    fill("--store=s:6379")

    assert before.items() < _data(cluster, namespace).items()


def test_a_copied_key_is_readable_by_its_owner_alone(fill: Run, tmp_path: Path) -> None:
    fill(f"--copy-to={tmp_path}")

    assert (tmp_path / "tls.key").stat().st_mode & 0o777 == 0o600


def test_pods_may_not_touch_another_secret(
    fill: Run, cluster: KubernetesApi, namespace: str
) -> None:
    cluster.kubectl("create", "secret", "generic", "others", "-n", namespace)

    refused = fill(name="others")

    assert refused.returncode == 1
    assert 'secrets "others" is forbidden' in refused.stderr
    user = f"--as=system:serviceaccount:{namespace}:fluxrouter-server"
    for verb in ("list", "create", "delete"):
        with pytest.raises(KubectlError, match="no"):
            cluster.kubectl("auth", "can-i", verb, "secrets", "-n", namespace, user)


def test_a_filled_secret_survives_kubectl_apply_of_what_is_rendered(
    fill: Run, cluster: KubernetesApi, namespace: str
) -> None:
    fill()
    before = _data(cluster, namespace)
    empty = {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {"name": _SECRET, "namespace": namespace, "labels": {"changed": "by-gitops"}},
    }

    cluster.apply(empty)

    assert _data(cluster, namespace) == before
