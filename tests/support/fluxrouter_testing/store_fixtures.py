"""Fixtures around a real store. A conftest.py imports those that its folder wants."""

from collections.abc import Iterator

import pytest

from fluxrouter_testing.store_cluster import AnyStore, ThrowawayCluster, running_cluster
from fluxrouter_testing.valkey import ThrowawayValkey, running_valkey

__all__ = [
    "durable_valkey",
    "shared_cluster_process",
    "shared_store",
    "shared_valkey",
    "shared_valkey_process",
    "valkey",
]


@pytest.fixture(scope="session")
def shared_valkey_process() -> Iterator[ThrowawayValkey]:
    """One server for all tests that only read and write."""
    with running_valkey() as server:
        yield server


@pytest.fixture
def shared_valkey(shared_valkey_process: ThrowawayValkey) -> ThrowawayValkey:
    """An empty store for a test that neither stops nor reconfigures it: the cheapest one."""
    shared_valkey_process.command("FLUSHALL")
    return shared_valkey_process


@pytest.fixture(scope="session")
def shared_cluster_process() -> Iterator[ThrowawayCluster]:
    """One Cluster of three for all tests that leave its slots where they are."""
    with running_cluster() as cluster:
        yield cluster


@pytest.fixture(params=["single", "cluster"])
def shared_store(request: pytest.FixtureRequest) -> AnyStore:
    """As `shared_valkey`, and once more as a Cluster."""
    name = {"single": "shared_valkey_process", "cluster": "shared_cluster_process"}[request.param]
    store: AnyStore = request.getfixturevalue(name)
    store.flush()
    return store


@pytest.fixture
def valkey() -> Iterator[ThrowawayValkey]:
    """A store of the test's own, to be hung, killed or reconfigured (some 30 ms)."""
    with running_valkey() as server:
        yield server


@pytest.fixture
def durable_valkey() -> Iterator[ThrowawayValkey]:
    """A store of the test's own that keeps every acknowledged write across `kill` and `start`."""
    with running_valkey(durable=True) as server:
        yield server
