"""An installed release whose pods run as processes of this machine, behind its Services."""

import base64
import itertools
import secrets
from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

import yaml

from fluxrouter_server.cli.session import Session
from fluxrouter_testing.chart import Release, helm
from fluxrouter_testing.kubernetes_api import KubernetesApi, running_kubernetes
from fluxrouter_testing.local_pods import LocalPod, Node
from fluxrouter_testing.pod_sources import Workload
from fluxrouter_testing.service_proxy import ServiceProxy, running_service

__all__ = ["ChartWorld", "running_chart"]

_NAMESPACE: Final = "flux"
_GRPC_PORT: Final = 50_051
_VALKEY_PORT: Final = 6_379
_SERVERS: Final = 2

Document = dict[str, Any]


@dataclass
class ChartWorld:
    """A release and its pods.

    Attributes:
        api: the cluster.
        release: what helm has installed.
        node: where pods run.
        authority: what clients trust, in PEM.
        service: the Service of the servers.
        servers: the pods that are in it.
    """

    api: KubernetesApi
    release: Release
    node: Node
    authority: Path
    service: ServiceProxy
    hosts: Iterator[str]
    servers: list[LocalPod] = field(default_factory=list)

    @property
    def address(self) -> str:
        """Where clients reach the servers."""
        host, port = self.service.address
        return f"{host}:{port}"

    def session(self, credential: str) -> Session:
        """Returns a connection through the Service."""
        return Session(self.address, credential, self.authority, None, None, timeout_seconds=10.0)

    def workload(self, kind: str, name: str) -> Workload:
        """Returns a workload as it is in the cluster now."""
        return Workload(_NAMESPACE, self.api.get(kind, name, "-n", _NAMESPACE))

    def start(self, kind: str, name: str, host: str = "") -> LocalPod:
        """Starts a pod of a workload."""
        return self.node.start(self.workload(kind, name), host or next(self.hosts))

    def start_server(self) -> LocalPod:
        """Starts one more server; it is not in the Service yet."""
        return self.start("deployment", "fluxrouter-server")

    def set_servers(self, *pods: LocalPod) -> None:
        """Says which servers are ready, as the cluster tells its nodes."""
        self.servers = list(pods)
        self.service.set_endpoints(*(pod.address("grpc") for pod in pods))

    def run_test(self) -> tuple[int, str]:
        """Runs the pod of `helm test`; returns its exit code and what it printed."""
        command = ("get", "hooks", self.release.name, "-n", _NAMESPACE)
        hooks = list(yaml.safe_load_all(helm(*command, kubeconfig=self.api.kubeconfig)))
        account, pod = sorted(filter(None, hooks), key=lambda hook: hook["kind"] == "Pod")
        self.api.apply(account)
        return self.node.run(Workload(_NAMESPACE, pod), next(self.hosts))


def running_chart(
    stack: ExitStack,
    folder: Path,
    values: Mapping[str, Any],
    *,
    secrets_given: Mapping[str, Mapping[str, str]] = MappingProxyType({}),
) -> ChartWorld:
    """Installs the chart, and starts all its pods.

    Args:
        stack: ends everything.
        folder: for all files.
        values: beside those that a machine without containers needs.
        secrets_given: Secrets that are there before, by their names.

    Raises:
        HelmError: it cannot be installed.
    """
    api = stack.enter_context(running_kubernetes())
    namespace = {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": _NAMESPACE}}
    api.apply(namespace, *(_secret(name, data) for name, data in secrets_given.items()))
    # A net of its own, so that others may do the same on this machine.
    net = f"127.{16 + secrets.randbelow(200)}.{1 + secrets.randbelow(254)}"
    hosts = (f"{net}.{number}" for number in itertools.count(10))
    service, store = f"{net}.1", f"{net}.2"
    services = {
        f"fluxrouter.{_NAMESPACE}.svc:{_GRPC_PORT}": f"{service}:{_GRPC_PORT}",
        f"fluxrouter-valkey.{_NAMESPACE}.svc:{_VALKEY_PORT}": f"{store}:{_VALKEY_PORT}",
    }
    release = Release(api.kubeconfig, _NAMESPACE)
    release.install({**values, "tls": {"extraDnsNames": [service]}})
    node = Node(api, folder, services, stack)
    proxy = stack.enter_context(running_service(service, _GRPC_PORT))
    world = ChartWorld(api, release, node, folder / "ca.crt", proxy, hosts)
    # Whoever comes first fills the Secret, and waits for the store.
    first = world.start_server()
    if "store" not in values:
        world.start("statefulset", "fluxrouter-valkey", store)
    ledger = world.start("deployment", "fluxrouter-ledger")
    pods = [first, *(world.start_server() for _ in range(_SERVERS - 1))]
    for pod in (ledger, *pods):
        pod.wait_ready()
    world.set_servers(*pods)
    if values.get("operator", {}).get("enabled", True):
        world.start("deployment", "fluxrouter-operator").wait_ready()
    secret = api.call("GET", f"/api/v1/namespaces/{_NAMESPACE}/secrets/fluxrouter-generated")
    _write_authority(world.authority, secret)
    return world


def _write_authority(path: Path, secret: Document) -> None:
    path.write_bytes(base64.b64decode(secret["data"]["ca.crt"]))


def _secret(name: str, data: Mapping[str, str]) -> Document:
    metadata = {"name": name, "namespace": _NAMESPACE}
    return {"apiVersion": "v1", "kind": "Secret", "metadata": metadata, "stringData": dict(data)}
