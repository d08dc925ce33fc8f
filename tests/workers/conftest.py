"""A server with two Envoy workers on one port, and a clock that is moved by hand."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from fluxrouter_server.cli.resource_files import read_resources
from fluxrouter_testing.customers import account, connected, plan
from fluxrouter_testing.fleet import Fleet, running_fleet
from fluxrouter_testing.transports import servers_on

START_US = 1_800_000_000_000_000  # 2027-01-15T08:00:00Z
ACCOUNT = "busy"

_CATALOG = Path(__file__).resolve().parents[2] / "examples" / "resources" / "catalog.yaml"


@pytest.fixture(autouse=True)
def transport() -> Iterator[str]:
    """Workers are Envoy's."""
    with servers_on("envoy") as name:
        yield name


@pytest.fixture
async def fleet() -> AsyncIterator[Fleet]:
    """The server, and an account that may spend."""
    with running_fleet(servers=1, start_us=START_US, options=("--workers", "2")) as started:
        async with connected(started.servers[0].address) as connection:
            resources = read_resources([str(_CATALOG)])
            await connection.apply(*resources, plan("wide", "1000.00"), account(ACCOUNT, "wide"))
        yield started
