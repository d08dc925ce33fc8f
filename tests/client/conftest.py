"""A real server over each transport, and an account with one dollar for each test."""

from collections.abc import AsyncIterator, Iterator
from itertools import count
from pathlib import Path

import pytest

from fluxrouter_server.cli.resource_files import read_resources
from fluxrouter_testing.customers import account, connected, plan
from fluxrouter_testing.fleet import Fleet, running_fleet
from fluxrouter_testing.spender import Spender
from fluxrouter_testing.transports import TRANSPORTS, servers_on

_CATALOG = Path(__file__).resolve().parents[2] / "examples" / "resources" / "catalog.yaml"
_numbers = count(1)


@pytest.fixture(scope="session", params=TRANSPORTS)
def fleet(request: pytest.FixtureRequest) -> Iterator[Fleet]:
    """One store and one server."""
    with servers_on(request.param), running_fleet(servers=1) as started:
        yield started


@pytest.fixture
async def customer(fleet: Fleet) -> AsyncIterator[Spender]:
    """An account that is this test's alone."""
    name = f"customer-{next(_numbers)}"
    address = fleet.servers[0].address
    async with connected(address) as connection:
        resources = read_resources([str(_CATALOG)])
        await connection.apply(*resources, plan(name, "1.00"), account(name, name))
        yield Spender(address, name, connection, fleet)
