"""A real API server accepts whatever the chart makes of realistic values."""

from typing import Any

import pytest
import yaml

from fluxrouter_testing.chart import Rendered, render
from fluxrouter_testing.chart_scenarios import SCENARIOS, STAND_INS
from fluxrouter_testing.kubernetes_api import KubectlError, KubernetesApi

Document = dict[str, Any]

_NAMESPACE = "flux"
_RESTRICTED = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}


def _namespace(name: str) -> Document:
    return {
        "apiVersion": "v1",
        "kind": "Namespace",
        "metadata": {"name": name, "labels": _RESTRICTED},
    }


def _account(name: str) -> Document:
    metadata = {"name": name, "namespace": _NAMESPACE}
    return {"apiVersion": "v1", "kind": "ServiceAccount", "metadata": metadata}


@pytest.fixture(scope="module")
def prepared(cluster: KubernetesApi) -> KubernetesApi:
    """Namespaces where pods must keep Pod Security's strictest rules, and others' kinds."""
    cluster.apply(*(_namespace(name) for name in (_NAMESPACE, "team-a", "team-b")), *STAND_INS)
    cluster.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
    # No controller makes the first one here, and pods cannot be admitted without theirs.
    names = ("default", "fluxrouter-server", "fluxrouter-operator", "fluxrouter-test")
    cluster.apply(*(_account(name) for name in names))
    return cluster


@pytest.fixture(scope="module", params=SCENARIOS)
def rendered(request: pytest.FixtureRequest) -> Rendered:
    return render(SCENARIOS[request.param])


def _dry_run(api: KubernetesApi, *documents: Document) -> str:
    return api.kubectl(
        *("apply", "--server-side", "--force-conflicts", "--dry-run=server", "-f", "-"),
        text=yaml.safe_dump_all(documents),
    )


def test_every_object_is_accepted(prepared: KubernetesApi, rendered: Rendered) -> None:
    accepted = _dry_run(prepared, *rendered.documents)

    assert len(accepted.splitlines()) == len(rendered.documents)


def test_every_pod_is_admitted_under_the_strictest_pod_security(
    prepared: KubernetesApi, rendered: Rendered
) -> None:
    pods = [
        {
            "apiVersion": "v1",
            "kind": "Pod",
            "metadata": {"name": f"pod-{number}", "namespace": _NAMESPACE},
            "spec": {**spec, "volumes": _with_claims(spec)},
        }
        for number, spec in enumerate(rendered.pod_specs().values())
    ]

    assert len(_dry_run(prepared, *pods).splitlines()) == len(pods)


def test_the_strictest_pod_security_is_in_force_here(prepared: KubernetesApi) -> None:
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"name": "careless", "namespace": _NAMESPACE},
        "spec": {"containers": [{"name": "careless", "image": "any"}]},
    }

    with pytest.raises(KubectlError, match="violates PodSecurity"):
        _dry_run(prepared, pod)


def _with_claims(spec: Document) -> list[Document]:
    """Adds the volumes that a StatefulSet's claim templates give to its pods."""
    volumes = list(spec.get("volumes", ()))
    named = {volume["name"] for volume in volumes}
    mounted = {m["name"] for c in spec["containers"] for m in c.get("volumeMounts", ())}
    return [*volumes, *({"name": name, "emptyDir": {}} for name in sorted(mounted - named))]
