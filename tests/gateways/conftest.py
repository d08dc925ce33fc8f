"""A server, a provider that remembers what it was sent, and a real Envoy between them."""

from collections.abc import Iterator

import pytest

from fluxrouter_server.transport.envoy_programs import find_envoy
from fluxrouter_testing.edge_world import EdgeWorld, edge_world
from fluxrouter_testing.gateway import Gateway, running_gateway
from fluxrouter_testing.recording_upstream import RecordingUpstream, recording_upstream


@pytest.fixture(scope="session")
def world() -> Iterator[EdgeWorld]:
    """The server; every test makes customers of its own."""
    if isinstance(why_not := find_envoy(), str):
        pytest.skip(why_not)
    with edge_world() as started:
        yield started


@pytest.fixture(scope="session")
def provider() -> Iterator[RecordingUpstream]:
    """Who answers behind the gateway."""
    with recording_upstream("the provider") as started:
        yield started


@pytest.fixture(scope="session")
def gateway(world: EdgeWorld, provider: RecordingUpstream) -> Iterator[Gateway]:
    """The example's Envoy."""
    with running_gateway(world.base_url.split("/")[2], provider.url) as started:
        yield started
