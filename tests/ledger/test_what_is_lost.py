"""What each durability setting can lose, as the table of docs/ledger.md says."""

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import grpc
import pytest

from fluxrouter_server.cli.resource_files import read_resources
from fluxrouter_server.store.shard_calls import as_list
from fluxrouter_testing.blocking_store import BlockingClient
from fluxrouter_testing.customers import account, connected, plan
from fluxrouter_testing.fleet import Fleet, running_fleet
from fluxrouter_testing.postgres import ThrowawayPostgres, running_postgres
from fluxrouter_testing.shop import Shop
from fluxrouter_testing.valkey import running_valkey
from fluxrouter_testing.waiting import eventually_async

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 60
COST = 1_200_000
HOLD_SECONDS = 600
A_SECOND_MS = 2_000  # of everysec: it may begin right after the last sync, and has to write


def test_with_always_what_was_acknowledged_is_on_disk() -> None:
    with running_valkey(durable=True) as server:
        for number in range(20):
            assert server.command("SET", "decision", number) == b"OK"
            server.kill()
            server.start()
            assert server.command("GET", "decision") == str(number).encode()


def test_with_everysec_what_was_acknowledged_is_on_disk_a_second_later() -> None:
    config = {"appendonly": "yes", "appendfsync": "everysec"}
    with running_valkey(config=config) as server:
        client = BlockingClient(server)
        client.command("SET", "decision", 1)
        local, _ = as_list(client.command("WAITAOF", 1, 0, A_SECOND_MS))
        client.close()
    assert local == 1


@pytest.fixture
def database() -> Iterator[ThrowawayPostgres]:
    with running_postgres(durable=True) as server:
        yield server


@pytest.fixture
def fleet(database: ThrowawayPostgres) -> Iterator[Fleet]:
    url = database.url.set(drivername="postgresql").render_as_string()
    with ExitStack() as stack:
        yield stack.enter_context(running_fleet(servers=1, options=("--ledger-url", url)))


@pytest.fixture
async def shop(fleet: Fleet) -> AsyncIterator[Shop]:
    catalog = read_resources([str(ROOT / "examples" / "resources" / "catalog.yaml")])
    async with connected(fleet.servers[0].address) as connection:
        gold = plan("gold", "1.00", expiry_seconds=HOLD_SECONDS)
        await connection.apply(*catalog, gold, account("shop", "gold"))
        yield Shop(connection, "shop", "gold", None)  # type: ignore[arg-type]  # a real clock


async def has_settled(shop: Shop, nano_usd: int) -> bool:
    try:
        return (await shop.connection.spend(shop.account)).settled_nano_usd == nano_usd
    except grpc.aio.AioRpcError:
        return False


async def buy(shop: Shop) -> None:
    hold = await shop.route()
    await shop.settle(hold.hold_id, output_tokens=50)


async def nothing_waits(fleet: Fleet) -> bool:
    shards = (f"fx:{{{shard:02x}}}:ledger" for shard in range(256))
    return not any(fleet.store.command("XLEN", key) for key in shards)


async def test_a_total_loss_of_the_store_costs_what_the_ledger_had_not_taken(
    shop: Shop, fleet: Fleet, database: ThrowawayPostgres
) -> None:
    await buy(shop)
    await eventually_async(lambda: nothing_waits(fleet), timeout_seconds=PATIENCE_SECONDS)
    database.kill()
    await buy(shop)
    await eventually_async(lambda: has_settled(shop, 2 * COST), timeout_seconds=PATIENCE_SECONDS)
    fleet.store.command("FLUSHALL")
    database.start()
    await eventually_async(lambda: has_settled(shop, COST), timeout_seconds=PATIENCE_SECONDS)


async def test_losing_the_database_or_the_stores_process_costs_nothing(
    shop: Shop, fleet: Fleet, database: ThrowawayPostgres
) -> None:
    await buy(shop)
    database.kill()
    await buy(shop)
    fleet.store.kill()
    fleet.store.start()
    database.start()
    await eventually_async(lambda: has_settled(shop, 2 * COST), timeout_seconds=PATIENCE_SECONDS)
    await eventually_async(lambda: nothing_waits(fleet), timeout_seconds=PATIENCE_SECONDS)
