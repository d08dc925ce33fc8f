"""The chart: rendered by a real helm, and installed into a real Kubernetes API server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fluxrouter_testing.chart import Rendered, render
from fluxrouter_testing.chart_scenarios import SCENARIOS
from fluxrouter_testing.kubernetes_api import KubernetesApi, running_kubernetes
from fluxrouter_testing.kubernetes_programs import helm_program, kubernetes_programs

_SECONDS = 180


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Gives these tests more time: the first of a file starts a whole cluster."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.timeout(_SECONDS))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Builds the programs where they are missing, before any test's time-out runs."""
    here = Path(__file__).parent
    if any(item.path.is_relative_to(here) for item in session.items):
        helm_program()
        kubernetes_programs()


@pytest.fixture(scope="module")
def cluster() -> Iterator[KubernetesApi]:
    """A control plane with nothing of ours in it."""
    with running_kubernetes() as api:
        yield api


@pytest.fixture(scope="module", params=SCENARIOS)
def rendered(request: pytest.FixtureRequest) -> Rendered:
    """What the chart makes of each scenario."""
    return render(SCENARIOS[request.param])


@pytest.fixture(scope="module")
def trial() -> Rendered:
    """With no values."""
    return render()


@pytest.fixture(scope="module")
def production() -> Rendered:
    """With stores of others."""
    return render(SCENARIOS["production"])
