"""While the ledger lags, admission stops and settlement does not (docs/protocol.md §9)."""

from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack
from pathlib import Path

import grpc
import pytest

from fluxrouter_server.cli.resource_files import read_resources
from fluxrouter_testing.customers import account, connected, plan
from fluxrouter_testing.fleet import SimulatedClock, running_fleet
from fluxrouter_testing.postgres import ThrowawayPostgres, running_postgres
from fluxrouter_testing.refusals import Refusal, refusal_of
from fluxrouter_testing.shop import Shop
from fluxrouter_testing.waiting import eventually_async

ROOT = Path(__file__).resolve().parents[2]
PATIENCE_SECONDS = 30
HOLD_SECONDS = 600


@pytest.fixture
def database() -> Iterator[ThrowawayPostgres]:
    with running_postgres() as server:
        yield server


@pytest.fixture
async def shop(database: ThrowawayPostgres, tmp_path: Path) -> AsyncIterator[Shop]:
    """A shop on a server that admits nothing while an entry waits for more than a second."""
    url = database.url.set(drivername="postgresql").render_as_string()
    options = ("--ledger-url", url, "--ledger-max-lag-seconds", "1")
    with ExitStack() as stack:
        fleet = stack.enter_context(running_fleet(servers=1, options=options))
        catalog = read_resources([str(ROOT / "examples" / "resources" / "catalog.yaml")])
        async with connected(fleet.servers[0].address) as connection:
            gold = plan("gold", "1.00", expiry_seconds=HOLD_SECONDS)
            await connection.apply(*catalog, gold, account("shop", "gold"))
            yield Shop(connection, "shop", "gold", SimulatedClock(tmp_path / "unused", 0))


async def refusal(shop: Shop) -> Refusal | None:
    """Why nothing is admitted; None where it is, and given back."""
    try:
        hold = await shop.route()
    except grpc.aio.AioRpcError as error:
        return refusal_of(error)
    await shop.settle(hold.hold_id, output_tokens=1)
    return None


async def test_admission_stops_while_the_ledger_lags_and_settlements_go_on(
    shop: Shop, database: ThrowawayPostgres
) -> None:
    running = await shop.route()
    database.kill()
    refused = await eventually_async(lambda: refusal(shop), timeout_seconds=PATIENCE_SECONDS)
    assert refused is not None
    assert (refused.code, refused.reason) == (
        grpc.StatusCode.UNAVAILABLE,
        "STORE_UNAVAILABLE",
    )
    assert "until the ledger has caught up" in refused.message
    assert refused.retry_seconds == 1
    assert (await shop.settle(running.hold_id, output_tokens=50)).billed_nano_usd > 0
    database.start()

    async def is_admitted() -> bool:
        return await refusal(shop) is None

    await eventually_async(is_admitted, timeout_seconds=PATIENCE_SECONDS)
