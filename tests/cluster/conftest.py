"""Everything here needs a cluster with running pods, so `make test` leaves it out.

It is one story of one release, from `helm install` to `helm uninstall`: its tests run in the order
in which they stand, and what follows a failure would prove nothing.
"""

from collections.abc import Generator, Iterator
from pathlib import Path

import pytest

from fluxrouter_testing.cluster.access import Cluster, ClusterError, say
from fluxrouter_testing.cluster.callers import Callers
from fluxrouter_testing.cluster.images import Image, prepared_images
from fluxrouter_testing.cluster.release import Release, empty_namespace

#: The longest of them rolls out twice, on a machine that does much else.
_SECONDS = 300


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Puts the tests in the order in which they stand, whatever the seed is."""
    here = Path(__file__).parent
    ours = [item for item in items if item.path.is_relative_to(here)]
    items[:] = [item for item in items if item not in ours]
    items += sorted(ours, key=lambda item: item.reportinfo()[1] or 0)
    for item in ours:
        item.add_marker(pytest.mark.timeout(_SECONDS))


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item,
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Says how each test ended, and after a failure what the cluster looked like."""
    report = yield
    if report.when == "call" or report.failed:
        say(f"{report.outcome.upper()}: {item.name.removeprefix('test_').replace('_', ' ')}")
    release = getattr(item, "funcargs", {}).get("release")
    if report.failed and release is not None:
        report.sections.append(("the cluster", _looks(release)))
    return report


def _looks(release: Release) -> str:
    try:
        return "\n".join(
            (
                release.kubectl("get", "pods", "--output=wide"),
                release.kubectl("get", "events", "--sort-by=.lastTimestamp")[-4000:],
                release.kubectl(
                    *("logs", "--selector=app.kubernetes.io/instance=fluxrouter", "--prefix"),
                    *("--all-containers", "--tail=15", "--max-log-requests=20"),
                )[-8000:],
            )
        )
    except ClusterError as problem:
        return f"cannot be asked: {problem}"


@pytest.fixture(scope="session")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Cluster:
    """The cluster that `KUBECONFIG` names."""
    return Cluster.named_by_kubeconfig(tmp_path_factory.mktemp("helm"))


@pytest.fixture(scope="session")
def images(cluster: Cluster) -> tuple[Image, Image]:  # noqa: ARG001 - no build without a cluster
    """The image, and the same by another name, to upgrade to."""
    return prepared_images()


@pytest.fixture(scope="session")
def release(cluster: Cluster, images: tuple[Image, Image]) -> Iterator[Release]:  # noqa: ARG001
    """A release in a namespace of its own; the first test installs it."""
    with empty_namespace(cluster) as empty:
        yield empty


@pytest.fixture(scope="session")
def callers(release: Release, images: tuple[Image, Image]) -> Callers:
    """Pods that call the Services."""
    return Callers.create(release, images[0])
