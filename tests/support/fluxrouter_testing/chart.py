"""The Helm chart as a person uses it: rendered, or installed into a real API server."""

import os
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import yaml

from fluxrouter_testing.kubernetes_programs import helm_program

__all__ = [
    "CHART",
    "HelmError",
    "Release",
    "Rendered",
    "container_of",
    "environment_of",
    "helm",
    "render",
]

CHART: Final = Path(__file__).resolve().parents[3] / "charts" / "fluxrouter"
_SECONDS: Final = 120.0

Document = dict[str, Any]
Values = Mapping[str, Any]


class HelmError(RuntimeError):
    """helm refused; the message is what it printed."""


@dataclass(frozen=True, slots=True)
class Rendered:
    """What the chart makes of some values."""

    documents: tuple[Document, ...]

    def of_kind(self, kind: str) -> list[Document]:
        """Returns all objects of a kind."""
        return [document for document in self.documents if document["kind"] == kind]

    def one(self, kind: str, name: str) -> Document:
        """Returns an object that must be there."""
        found = [item for item in self.of_kind(kind) if item["metadata"]["name"] == name]
        assert len(found) == 1, f"{len(found)} of {kind}/{name}: {self.names(kind)}"
        return found[0]

    def names(self, kind: str) -> list[str]:
        """Returns the names of all objects of a kind."""
        return [item["metadata"]["name"] for item in self.of_kind(kind)]

    def pod_specs(self) -> dict[str, Document]:
        """Returns the specs of all pods, those of workloads included, by `Kind/name`."""
        specs = {}
        for document in self.documents:
            name = f"{document['kind']}/{document['metadata']['name']}"
            if document["kind"] == "Pod":
                specs[name] = document["spec"]
            elif "template" in document.get("spec", {}):
                specs[name] = document["spec"]["template"]["spec"]
        return specs


def render(values: Values | None = None, *options: str, chart: Path = CHART) -> Rendered:
    """Renders the chart as release `fluxrouter` in namespace `flux`.

    Raises:
        HelmError: schema or templates refuse the values.
    """
    text = helm("template", "fluxrouter", str(chart), "-n", "flux", *options, values=values)
    documents = yaml.safe_load_all(text)
    return Rendered(tuple(document for document in documents if document))


def container_of(rendered: Rendered, kind: str, name: str) -> Document:
    """Returns the one container of a workload."""
    (found,) = rendered.one(kind, name)["spec"]["template"]["spec"]["containers"]
    return dict(found)


def environment_of(told: Document) -> dict[str, Any]:
    """Returns a container's variables: values, or where they come from."""
    return {item["name"]: item.get("value", item.get("valueFrom")) for item in told["env"]}


def helm(*arguments: str, values: Values | None = None, kubeconfig: Path | None = None) -> str:
    """Runs helm and returns what it printed.

    Args:
        arguments: as on the command line.
        values: given as a values file.
        kubeconfig: whom to be in which cluster.

    Raises:
        HelmError: it ended with another code than 0.
    """
    with tempfile.TemporaryDirectory(prefix="helm-") as home:
        given: Sequence[str] = ()
        if values is not None:
            path = Path(home) / "values.yaml"
            path.write_text(yaml.safe_dump(dict(values)), encoding="utf-8")
            given = ("--values", str(path))
        own = {f"HELM_{kind}_HOME": home for kind in ("CACHE", "CONFIG", "DATA")}
        answer = subprocess.run(
            [helm_program(), *arguments, *given],
            capture_output=True,
            text=True,
            check=False,
            timeout=_SECONDS,
            env={**os.environ, **own, "KUBECONFIG": str(kubeconfig or "/nowhere")},
        )
    if answer.returncode:
        raise HelmError(answer.stderr.strip() or answer.stdout.strip())
    return answer.stdout


@dataclass(frozen=True, slots=True)
class Release:
    """A release in a cluster. No controller runs there, so nothing waits for pods.

    Attributes:
        kubeconfig: of the administrator.
        namespace: where it is installed.
        name: its name.
    """

    kubeconfig: Path
    namespace: str
    name: str = "fluxrouter"

    def install(self, values: Values | None = None, chart: Path = CHART) -> str:
        """Installs the chart; raises HelmError."""
        return self._helm("install", str(chart), values=values)

    def upgrade(self, values: Values | None = None, chart: Path = CHART) -> str:
        """Upgrades to other values or another chart; raises HelmError."""
        return self._helm("upgrade", str(chart), values=values)

    def rollback(self, revision: int) -> str:
        """Goes back to a revision; raises HelmError."""
        return self._helm("rollback", str(revision))

    def uninstall(self) -> str:
        """Removes the release; raises HelmError."""
        return self._helm("uninstall")

    def _helm(self, verb: str, *arguments: str, values: Values | None = None) -> str:
        command = (verb, self.name, *arguments, "-n", self.namespace)
        return helm(*command, values=values, kubeconfig=self.kubeconfig)
