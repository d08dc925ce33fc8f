"""A whole FluxRouter in a cluster: API server, servers on a store, and the operator."""

import itertools
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, TypeVar

from fluxrouter_operator.observed import Kind
from fluxrouter_server.cli.session import Session
from fluxrouter_testing.fleet import Fleet, running_fleet
from fluxrouter_testing.kubernetes_api import KubernetesApi, Refused, running_kubernetes
from fluxrouter_testing.kubernetes_operator import (
    RunningOperator,
    install_operator_account,
    running_operator,
)
from fluxrouter_testing.kubernetes_samples import API_VERSION, Document, catalog_document
from fluxrouter_testing.waiting import eventually

__all__ = ["Platform", "condition", "installed_kubernetes", "running_platform"]

T = TypeVar("T")

_CRDS: Final = Path(__file__).resolve().parents[3] / "charts" / "fluxrouter" / "files" / "crds"
#: Far beyond what anything here takes on a busy machine.
_SECONDS: Final = 60.0
_NOT_FOUND: Final = 404


@dataclass
class Platform:
    """Everything that runs, and what a person with kubectl would ask.

    Attributes:
        api: the cluster.
        fleet: the servers and their store.
        operator: the operator.
        folder: for whatever a test leaves.
    """

    api: KubernetesApi
    fleet: Fleet
    operator: RunningOperator
    folder: Path
    _names: Iterator[int] = field(default_factory=itertools.count)

    @property
    def session(self) -> Session:
        """A connection to the first server."""
        return self.fleet.servers[0].session()

    def new_name(self, prefix: str = "t") -> str:
        """Returns a name that no other test has."""
        return f"{prefix}-{next(self._names)}"

    def apply(self, *documents: Document) -> None:
        """Applies resources as kubectl does."""
        self.api.apply(*documents)

    def resource(self, kind: str, name: str, namespace: str = "default") -> Document | None:
        """Returns a resource; None where there is none."""
        within = f"namespaces/{namespace}/" if kind == "account" else ""
        try:
            found: Document = self.api.call("GET", f"/apis/{API_VERSION}/{within}{kind}s/{name}")
        except Refused as refused:
            if refused.code == _NOT_FOUND:
                return None
            raise
        return found

    def status(self, kind: str, name: str, namespace: str = "default") -> Document:
        """Returns the status of a resource that is there."""
        found = self.resource(kind, name, namespace)
        assert found is not None, f"there is no {kind} {name}"
        status: Document = found.get("status", {})
        return status

    def wait(self, predicate: Callable[[], T]) -> T:
        """Waits until something is so."""
        return eventually(predicate, _SECONDS)

    def wait_condition(
        self, kind: str, name: str, expected: str, namespace: str = "default"
    ) -> Document:
        """Waits for a condition of the current generation, as `Ready=False/PlanNotFound`.

        The reason may be left out. Returns the condition.
        """

        def found() -> Document | None:
            current = self.resource(kind, name, namespace) or {}
            generation = current.get("metadata", {}).get("generation")
            wanted_type, _, rest = expected.partition("=")
            status, _, reason = rest.partition("/")
            shown = condition(current.get("status", {}), wanted_type)
            matches = (
                shown.get("status") == status
                and shown.get("observedGeneration") == generation
                and reason in {"", shown.get("reason")}
            )
            return shown if matches else None

        return self.wait(found) or {}

    def wait_ready(self, kind: str, name: str, namespace: str = "default") -> Document:
        """Waits until a resource is ready in its current generation; returns its status."""
        self.wait_condition(kind, name, "Ready=True", namespace)
        return self.status(kind, name, namespace)

    def events(self, name: str, namespace: str = "default") -> list[tuple[str, str]]:
        """Returns reasons and messages of the events about a resource, oldest first."""
        query = f"fieldSelector=involvedObject.name={name}"
        items = self.api.call("GET", f"/api/v1/namespaces/{namespace}/events?{query}")["items"]
        return [(item["reason"], item["message"]) for item in items]


def condition(status: Document, wanted_type: str) -> dict[str, Any]:
    """Returns a condition of a status; empty where it has none of that type."""
    for found in status.get("conditions", ()):
        if found["type"] == wanted_type:
            shown: dict[str, Any] = found
            return shown
    return {}


@contextmanager
def installed_kubernetes() -> Iterator[KubernetesApi]:
    """Starts a control plane that has our kinds."""
    with running_kubernetes() as api:
        api.kubectl("apply", "--server-side", "-f", str(_CRDS))
        api.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        # Established is said a moment before the storage of a kind answers.
        eventually(lambda: all(_is_served(api, kind) for kind in Kind), _SECONDS)
        yield api


def _is_served(api: KubernetesApi, kind: Kind) -> bool:
    try:
        api.call("GET", f"/apis/{API_VERSION}/{kind.plural}")
    except Refused:
        return False
    return True


@contextmanager
def running_platform(
    *,
    start_us: int | None = None,
    servers: int = 1,
    options: Sequence[str] = (),
    module: str = "fluxrouter_operator",
    catalog: bool = True,
) -> Iterator[Platform]:
    """Starts everything, with the sample catalog applied.

    Args:
        start_us: simulated time of the store; None takes its own clock.
        servers: how many replicas.
        options: further options of the operator.
        module: the operator's module, or one that wraps it.
        catalog: whether to apply the catalog and wait for it.

    Raises:
        StartError: something did not come up.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="platform-")))
        api = stack.enter_context(installed_kubernetes())
        fleet = stack.enter_context(running_fleet(servers=servers, start_us=start_us))
        kubeconfig = install_operator_account(api)
        operator = stack.enter_context(
            running_operator(folder, kubeconfig, fleet.servers[0].address, *options, module=module)
        )
        platform = Platform(api, fleet, operator, folder)
        if catalog:
            platform.apply(catalog_document())
            platform.wait_ready("catalog", "default")
        yield platform
