"""Every test here talks to a real Kubernetes API server."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from fluxrouter_testing.kubernetes_api import KubernetesApi
from fluxrouter_testing.kubernetes_platform import (
    Platform,
    installed_kubernetes,
    running_platform,
)
from fluxrouter_testing.kubernetes_programs import kubernetes_programs

_SECONDS = 180
START_US = 1_800_000_000_000_000  # 2027-01-15T08:00:00Z


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Gives these tests more time: the first of a file starts a whole cluster."""
    for item in items:
        if item.path.is_relative_to(Path(__file__).parent):
            item.add_marker(pytest.mark.timeout(_SECONDS))


def pytest_collection_finish(session: pytest.Session) -> None:
    """Builds the API server where it is missing, before any test's time-out runs."""
    here = Path(__file__).parent
    if any(item.path.is_relative_to(here) for item in session.items):
        kubernetes_programs()


@pytest.fixture(scope="module")
def kubernetes() -> Iterator[KubernetesApi]:
    """A control plane that has our kinds, and nothing that looks after them."""
    with installed_kubernetes() as api:
        yield api


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    """A whole FluxRouter for the tests of a file, on a simulated clock, with one model."""
    with running_platform(start_us=START_US) as started:
        yield started
