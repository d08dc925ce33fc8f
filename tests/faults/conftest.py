"""Four real servers on one real store, and connections to them."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from fluxrouter_server.cli.resource_files import read_resources
from fluxrouter_server.store.locations import StoreShape
from fluxrouter_testing.customers import Connection, connected
from fluxrouter_testing.fleet import Fleet, running_fleet
from fluxrouter_testing.transports import servers_on

_CATALOG = Path(__file__).resolve().parents[2] / "examples" / "resources" / "catalog.yaml"
_STAGES = (
    ("grpc", StoreShape.SINGLE),
    ("envoy", StoreShape.SINGLE),
    ("envoy", StoreShape.CLUSTER),
)


@pytest.fixture(scope="session", params=_STAGES, ids="-".join, autouse=True)
def stage(request: pytest.FixtureRequest) -> Iterator[StoreShape]:
    """Every test here is for every transport, and for the Cluster; servers are started with it."""
    transport, shape = request.param
    with servers_on(transport):
        yield shape


@pytest.fixture
def fleet(stage: StoreShape) -> Iterator[Fleet]:
    """Four servers, some of which a test may kill."""
    with running_fleet(servers=4, shape=stage) as started:
        yield started


@pytest.fixture
async def servers(fleet: Fleet) -> AsyncIterator[list[Connection]]:
    """A connection to each server; the example catalog is applied."""
    async with AsyncExitStack() as stack:
        connections = [
            await stack.enter_async_context(connected(server.address)) for server in fleet.servers
        ]
        await connections[0].apply(*read_resources([str(_CATALOG)]))
        yield connections
