"""Every test here talks to a real Kubernetes API server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fluxrouter_testing.kubernetes_api import KubernetesApi, running_kubernetes
from fluxrouter_testing.kubernetes_programs import kubernetes_programs

ROOT = Path(__file__).resolve().parents[2]


def pytest_collection_finish(session: pytest.Session) -> None:
    """Builds the API server where it is missing, before any test's time-out runs."""
    here = Path(__file__).parent
    if any(item.path.is_relative_to(here) for item in session.items):
        kubernetes_programs()


@pytest.fixture(scope="session")
def kubernetes() -> Iterator[KubernetesApi]:
    """A control plane that has our kinds."""
    with running_kubernetes() as api:
        api.kubectl("apply", "--server-side", "-f", str(ROOT / "charts" / "fluxrouter" / "crds"))
        api.kubectl("wait", "--for=condition=Established", "crd", "--all", "--timeout=30s")
        yield api
