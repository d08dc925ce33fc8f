"""A real server on a real Valkey; its clock is simulated, so months and rates cost no time."""

from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path

import pytest

from fluxrouter.v1 import control_pb2
from fluxrouter_server.cli.resource_files import read_resources
from fluxrouter_testing.customers import account, connected, plan
from fluxrouter_testing.fleet import Fleet, Server, running_fleet
from fluxrouter_testing.shop import Shop
from fluxrouter_testing.transports import TRANSPORTS, servers_on

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "resources"
START_US = 1_800_000_000_000_000  # 2027-01-15T08:00:00Z

_numbers = count(1)


@pytest.fixture(scope="session", params=TRANSPORTS, autouse=True)
def transport(request: pytest.FixtureRequest) -> Iterator[str]:
    """Every test here is for every transport; servers are started with it."""
    with servers_on(request.param) as name:
        yield name


@pytest.fixture(scope="session")
def fleet(transport: str) -> Iterator[Fleet]:  # noqa: ARG001 - a fleet for each
    """One store and one server, for all tests that leave both as they are."""
    with running_fleet(servers=1, start_us=START_US) as started:
        yield started


@pytest.fixture(scope="session")
def server(fleet: Fleet) -> Server:
    """That server."""
    return fleet.servers[0]


@pytest.fixture(scope="session")
def catalog() -> list[control_pb2.Resource]:
    """The example catalog."""
    return read_resources([str(EXAMPLES / "catalog.yaml")])


@pytest.fixture
async def shop(
    fleet: Fleet, server: Server, catalog: list[control_pb2.Resource]
) -> AsyncIterator[Shop]:
    """The example catalog, a plan of $1.00, and an account of it that is this test's alone."""
    name = f"shop-{next(_numbers)}"
    async with connected(server.address) as connection:
        await connection.apply(*catalog, plan(name, "1.00"), account(name, name))
        yield Shop(connection, name, name, fleet.clock)
