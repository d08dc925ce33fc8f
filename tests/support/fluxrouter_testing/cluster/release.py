"""The chart in a namespace of its own, from its installation until nothing of it is left."""

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from fluxrouter_testing.cluster.access import Cluster, ClusterError, say
from fluxrouter_testing.cluster.images import Image

__all__ = ["CHART", "NAME", "NAMESPACE", "RESOURCES", "Release", "empty_namespace", "trial_values"]

_ROOT: Final = Path(__file__).resolve().parents[4]
CHART: Final = _ROOT / "charts" / "fluxrouter"
RESOURCES: Final = _ROOT / "examples" / "resources"
#: Release and namespace are ours alone, so that both can be swept away.
NAME: Final = "fluxrouter"
NAMESPACE: Final = "fluxrouter-try"
_OURS: Final = "fluxrouter.ai/try=true"
_KINDS: Final = ("accounts", "plans", "catalogs")
_WAIT: Final = ("--wait", "--timeout=180s")


def trial_values(image: Image) -> dict[str, Any]:
    """Returns values for a small cluster that may have no volumes to give."""
    return {
        "image": {"repository": image.repository, "tag": image.tag},
        "server": {
            "resources": {"requests": {"cpu": "100m"}},
            "drain": {"pauseSeconds": 5, "graceSeconds": 20},
        },
        "operator": {"resources": {"requests": {"cpu": "20m"}}},
        # It keeps its image when ours changes: a trial's only store cannot restart unnoticed.
        "valkey": {
            "image": {"repository": image.repository, "tag": image.tag},
            "persistence": {"enabled": False},
        },
        "ledger": {"persistence": {"enabled": False}},
        "networkPolicy": {"upstreamPorts": [8080]},  # where the stand-in for providers listens
    }


@dataclass(frozen=True, slots=True)
class Release:
    """An installed release. `install` makes it."""

    cluster: Cluster

    def install(self, values: dict[str, Any], *, chart: Path = CHART) -> None:
        """Installs it and waits until it is ready."""
        self._helm("install", NAME, str(chart), *_WAIT, values=values)

    def upgrade(self, values: dict[str, Any], *, chart: Path = CHART) -> None:
        """Upgrades it and waits until that is rolled out."""
        self._helm("upgrade", NAME, str(chart), *_WAIT, values=values)

    def rollback(self) -> None:
        """Goes back one revision and waits until that is rolled out."""
        self._helm("rollback", NAME, *_WAIT)

    def test(self) -> str:
        """Runs `helm test`; returns what helm says of it."""
        return self._helm("test", NAME, "--timeout=60s")

    def uninstall(self) -> None:
        """Removes it and waits for that."""
        self._helm("uninstall", NAME, *_WAIT)

    def revision(self) -> dict[str, Any]:
        """Returns what helm says about the newest revision."""
        (found,) = json.loads(self._helm("list", "--output=json"))
        about: dict[str, Any] = found
        return about

    def pods(self, component: str) -> list[dict[str, Any]]:
        """Returns the pods of a component that are not ending."""
        labels = f"app.kubernetes.io/instance={NAME},app.kubernetes.io/component={component}"
        items = self.get("pods", f"--selector={labels}")["items"]
        return [pod for pod in items if "deletionTimestamp" not in pod["metadata"]]

    def addresses(self) -> list[str]:
        """Returns the addresses of the servers' pods, one a replica."""
        return [pod["status"]["podIP"] for pod in self.pods("server")]

    def delete_pod(self, component: str) -> str:
        """Deletes a pod, in order, and waits until it is gone and replaced; returns its name."""
        name: str = self.pods(component)[0]["metadata"]["name"]
        self.kubectl("delete", "pod", name, "--timeout=90s", seconds=100)
        deployment = f"deployment/{NAME}-{component}"
        self.kubectl("rollout", "status", deployment, "--timeout=90s", seconds=100)
        return name

    def log_events(self, component: str, event: str) -> list[dict[str, Any]]:
        """Returns events of that name from the logs of all pods of a component."""
        found = []
        for pod in self.pods(component):
            text = self.kubectl("logs", pod["metadata"]["name"])
            lines = (json.loads(line) for line in text.splitlines() if line.startswith("{"))
            found += [line for line in lines if line.get("event") == event]
        return found

    def secret(self, name: str, key: str) -> str:
        """Returns an entry of a Secret."""
        return base64.b64decode(self.get("secret", name)["data"][key]).decode()

    def apply_resources(self) -> None:
        """Applies the example resources and waits until all of them are in force."""
        self.kubectl("apply", "-f", str(RESOURCES))
        self.wait_ready()

    def wait_ready(self) -> None:
        """Waits until every catalog, plan and account is ready."""
        kinds = ",".join(_KINDS)
        self.kubectl("wait", "--for=condition=Ready", kinds, "--all", "--timeout=50s")

    def spend_shown(self, account: str) -> int:
        """Returns what the account's status says that it has spent, in nano-USD."""
        spend = self.get("account", account)["status"].get("spend", {})
        whole, _, rest = str(spend.get("settledUsd", "0")).partition(".")
        return int(whole) * 10**9 + int(rest.ljust(9, "0"))

    def patch(self, resource: str, spec: dict[str, Any]) -> None:
        """Changes the spec of a resource, given as `plan/free`."""
        self.kubectl("patch", resource, "--type=merge", "--patch", json.dumps({"spec": spec}))

    def get(self, *arguments: str) -> Any:  # noqa: ANN401 - parsed JSON
        """Returns what kubectl has, in this namespace."""
        return self.cluster.get("--namespace", NAMESPACE, *arguments)

    def kubectl(self, *arguments: str, text: str = "", seconds: float = 60.0) -> str:
        """Runs kubectl in this namespace."""
        return self.cluster.kubectl(
            "--namespace", NAMESPACE, *arguments, text=text, seconds=seconds
        )

    def _helm(self, *arguments: str, values: dict[str, Any] | None = None) -> str:
        given = () if values is None else ("--values", "-")
        text = "" if values is None else yaml.safe_dump(values)
        return self.cluster.helm(*arguments, "--namespace", NAMESPACE, *given, text=text)


@contextmanager
def empty_namespace(cluster: Cluster) -> Iterator[Release]:
    """Makes the namespace, with Pod Security `restricted`; sweeps everything away at the end.

    Raises:
        ClusterError: FluxRouter is in use in this cluster: its kinds are there, and not by us.
    """
    _sweep(cluster)
    if "fluxrouter.ai" in cluster.kubectl("get", "crds", "--output=name"):
        raise ClusterError(
            "this cluster has FluxRouter's kinds already, and deleting them would delete its plans "
            "and accounts: take a cluster that is for trying only"
        )
    cluster.kubectl("create", "namespace", NAMESPACE)
    restricted = "pod-security.kubernetes.io/enforce=restricted"
    cluster.kubectl("label", "namespace", NAMESPACE, _OURS, restricted)
    try:
        yield Release(cluster)
    finally:
        say("cleaning up")
        _sweep(cluster)


def _sweep(cluster: Cluster) -> None:
    """Deletes what a run has left, this one or one that was killed; nothing that is not ours."""
    found = cluster.kubectl("get", "namespaces", f"--selector={_OURS}", "--output=name").split()
    if not found:
        return
    _quietly(cluster, "uninstall", NAME)
    for kind in _KINDS:  # nobody is left who would take their finalizers away
        resource = f"{kind}.fluxrouter.ai"
        names = (
            cluster.kubectl(
                "get", resource, "--all-namespaces", "--ignore-not-found", "--output=name"
            )
            if _is_known(cluster, resource)
            else ""
        )
        for name in names.split():
            where = ("--namespace", NAMESPACE) if kind == "accounts" else ()
            gone = '{"metadata":{"finalizers":null}}'
            cluster.kubectl("patch", name, *where, "--type=merge", "--patch", gone)
    cluster.kubectl(
        *("delete", "crds", "--ignore-not-found", "--timeout=60s"),
        *(f"{kind}.fluxrouter.ai" for kind in _KINDS),
        seconds=70,
    )
    cluster.kubectl("delete", *found, "--timeout=90s", seconds=100)


def _is_known(cluster: Cluster, crd: str) -> bool:
    return bool(cluster.kubectl("get", "crds", crd, "--ignore-not-found", "--output=name"))


def _quietly(cluster: Cluster, *arguments: str) -> None:
    cluster.helm(*arguments, "--namespace", NAMESPACE, "--ignore-not-found", "--wait")
