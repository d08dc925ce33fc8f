"""A server with a ledger on a Cluster, whose shards lie on several nodes."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from fluxrouter_server.cli.resource_files import read_resources
from fluxrouter_server.store.locations import StoreShape
from fluxrouter_testing.customers import account, connected, plan
from fluxrouter_testing.fleet import Fleet, running_fleet
from fluxrouter_testing.shop import Shop
from fluxrouter_testing.waiting import eventually_async

ROOT = Path(__file__).resolve().parents[2]
START_US = 1_800_000_000_000_000  # 2027-01-15T08:00:00Z
PATIENCE_SECONDS = 30

pytestmark = pytest.mark.timeout(120)


@pytest.fixture
def fleet() -> Iterator[Fleet]:
    with running_fleet(
        servers=1, start_us=START_US, with_ledger=True, shape=StoreShape.CLUSTER
    ) as started:
        yield started


@pytest.fixture
async def shop(fleet: Fleet) -> AsyncIterator[Shop]:
    catalog = read_resources([str(ROOT / "examples" / "resources" / "catalog.yaml")])
    async with connected(fleet.servers[0].address) as connection:
        await connection.apply(*catalog, plan("gold", "1.00"), account("shop", "gold"))
        yield Shop(connection, "shop", "gold", fleet.clock)


async def test_what_is_overdue_ends_on_every_node(fleet: Fleet, shop: Shop) -> None:
    names = [f"shop-{number}" for number in range(8)]  # of several shards
    await shop.connection.apply(*(account(name, "gold") for name in names))
    for name in names:
        await shop.route(account=name)
    fleet.clock.advance(3600)

    async def nothing_is_held() -> bool:
        spends = [await shop.connection.spend(name) for name in names]
        return not any(spend.held_nano_usd for spend in spends)

    await eventually_async(nothing_is_held, timeout_seconds=PATIENCE_SECONDS)
