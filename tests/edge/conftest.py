"""One real server with its edge in a real Envoy, for all tests here."""

from collections.abc import Iterator

import pytest

from fluxrouter_server.transport.envoy_programs import find_envoy
from fluxrouter_testing.edge_world import EdgeWorld, edge_world


@pytest.fixture(scope="session")
def world() -> Iterator[EdgeWorld]:
    """The server; every test makes customers of its own."""
    if isinstance(why_not := find_envoy(), str):
        pytest.skip(why_not)
    with edge_world() as started:
        yield started
