"""Four real servers on one real store, and connections to them."""

from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from fluxrouter_server.cli.resource_files import read_resources
from fluxrouter_testing.customers import Connection, connected
from fluxrouter_testing.fleet import Fleet, running_fleet
from fluxrouter_testing.transports import TRANSPORTS, servers_on

_CATALOG = Path(__file__).resolve().parents[2] / "examples" / "resources" / "catalog.yaml"


@pytest.fixture(scope="session", params=TRANSPORTS, autouse=True)
def transport(request: pytest.FixtureRequest) -> Iterator[str]:
    """Every test here is for every transport; servers are started with it."""
    with servers_on(request.param) as name:
        yield name


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    """Four servers, some of which a test may kill."""
    with running_fleet(servers=4) as started:
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
