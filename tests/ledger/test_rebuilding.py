"""A store that lost its data comes back from the ledger by itself."""

from pathlib import Path

import grpc

from fluxrouter.v1 import router_pb2, usage_pb2
from fluxrouter_server.store.keys import account_keys, ledger_key
from fluxrouter_testing.fleet import Fleet
from fluxrouter_testing.refusals import refused
from fluxrouter_testing.shop import Shop
from fluxrouter_testing.waiting import eventually_async

PATIENCE_SECONDS = 30


async def entries(shop: Shop) -> list[usage_pb2.LedgerEntry]:
    request = usage_pb2.ListLedgerRequest(account=shop.account)
    return list((await shop.connection.usage.ListLedger(request)).entries)


async def all_arrived(shop: Shop, fleet: Fleet) -> str:
    """Waits until nothing waits for the ledger; returns the account's uid."""

    async def arrived() -> str:
        found = await entries(shop)
        if not found:
            return ""
        uid = found[0].account_uid
        keys = account_keys(uid)  # type: ignore[arg-type]  # the wire knows no types of ids
        is_empty = fleet.store.command("XLEN", ledger_key(keys.shard)) == 0
        return uid if is_empty else ""

    return await eventually_async(arrived, timeout_seconds=PATIENCE_SECONDS)


def counters(fleet: Fleet, uid: str) -> dict[str, str]:
    """The account's hash without what is zero, of the moment, or packed."""
    key = account_keys(uid).account  # type: ignore[arg-type]  # as above
    flat = fleet.store.command("HGETALL", key)
    assert isinstance(flat, list)
    pairs = zip(flat[::2], flat[1::2], strict=True)
    fields = {name.decode(): value.decode(errors="replace") for name, value in pairs}
    return {
        name: value
        for name, value in fields.items()
        if value != "0" and not name.startswith(("tat_", "hours", "h:"))
    }


async def is_back(shop: Shop) -> bool:
    try:
        await shop.connection.spend(shop.account)
    except grpc.aio.AioRpcError as error:
        return error.code() is not grpc.StatusCode.UNAVAILABLE
    return True


async def lose_and_wait(shop: Shop, fleet: Fleet) -> None:
    fleet.store.command("FLUSHALL")
    refusal = await refused(shop.route())
    assert refusal.code is grpc.StatusCode.UNAVAILABLE
    await eventually_async(lambda: is_back(shop), timeout_seconds=PATIENCE_SECONDS)


async def test_counters_come_back_bit_by_bit(shop: Shop, fleet: Fleet) -> None:
    key = await shop.create_key()
    for _ in range(3):
        hold = await shop.route(account="", api_key=key, labels={"team": "search"})
        await shop.settle(hold.hold_id, output_tokens=50)
    uid = await all_arrived(shop, fleet)
    before = counters(fleet, uid)
    await lose_and_wait(shop, fleet)
    assert counters(fleet, uid) == before
    spend = await shop.connection.spend(shop.account)
    assert (spend.settled_nano_usd, spend.held_nano_usd) == (3 * 1_200_000, 0)


async def test_keys_plans_and_catalog_work_as_before(shop: Shop, fleet: Fleet) -> None:
    key = await shop.create_key()
    hold = await shop.route(account="", api_key=key)
    await shop.settle(hold.hold_id, output_tokens=50)
    await all_arrived(shop, fleet)
    await lose_and_wait(shop, fleet)
    assert (await shop.route(account="", api_key=key)).model == "llama-3.1-8b"
    wrong = router_pb2.RouteRequest(api_key=key[:-1] + "x", model="flux-fast", input_tokens=1)
    refusal = await refused(shop.connection.router.Route(wrong))
    assert refusal.code is grpc.StatusCode.UNAUTHENTICATED


async def test_a_request_that_was_charged_is_never_charged_again(shop: Shop, fleet: Fleet) -> None:
    hold = await shop.route(request_id="mine")
    receipt = await shop.settle(hold.hold_id, output_tokens=50)
    await all_arrived(shop, fleet)
    await lose_and_wait(shop, fleet)
    again = await shop.settle(hold.hold_id, output_tokens=50)
    assert again.replayed
    assert again.billed_nano_usd == receipt.billed_nano_usd
    replay = await shop.route(request_id="mine")
    assert replay.replayed
    spend = await shop.connection.spend(shop.account)
    assert (spend.settled_nano_usd, spend.held_nano_usd) == (receipt.billed_nano_usd, 0)


async def test_holds_in_flight_end_uncharged_and_leave_the_cap_free(
    shop: Shop, fleet: Fleet
) -> None:
    settled = await shop.route()
    await shop.settle(settled.hold_id, output_tokens=50)
    in_flight = await shop.route()
    await all_arrived(shop, fleet)
    await lose_and_wait(shop, fleet)
    spend = await shop.connection.spend(shop.account)
    assert (spend.settled_nano_usd, spend.held_nano_usd) == (1_200_000, 0)
    refusal = await refused(shop.settle(in_flight.hold_id, output_tokens=50))
    assert refusal.reason == "HOLD_TOO_OLD"


async def test_the_ledger_goes_on_without_a_gap_after_a_rebuild(shop: Shop, fleet: Fleet) -> None:
    hold = await shop.route()
    await shop.settle(hold.hold_id, output_tokens=50)
    await all_arrived(shop, fleet)
    await lose_and_wait(shop, fleet)
    hold = await shop.route()
    await shop.settle(hold.hold_id, output_tokens=50)
    await eventually_async(lambda: both(shop), timeout_seconds=PATIENCE_SECONDS)
    newest, oldest = await entries(shop)
    assert (newest.seq, newest.epoch) == (oldest.seq + 1, oldest.epoch + 1)
    assert newest.settled_after_nano_usd == 2 * 1_200_000
    parts = [
        part async for part in shop.connection.usage.CheckLedger(usage_pb2.CheckLedgerRequest())
    ]
    assert [list(part.drifts) for part in parts if part.drifts] == []


async def test_a_store_that_comes_back_older_than_the_ledger_is_rebuilt(
    shop: Shop, fleet: Fleet, tmp_path: Path
) -> None:
    first = await shop.route()
    await shop.settle(first.hold_id, output_tokens=50)
    fleet.store.stop()
    backup = fleet.store.copy_data(tmp_path / "backup")
    fleet.store.start()
    await eventually_async(lambda: is_back(shop), timeout_seconds=PATIENCE_SECONDS)
    await eventually_async(lambda: is_bought(shop, "second"), timeout_seconds=PATIENCE_SECONDS)
    await all_arrived(shop, fleet)
    fleet.store.kill()
    fleet.store.replace_data(backup)
    fleet.store.start()
    # Not even once does anybody see, or decide upon, what the older store says.
    assert await eventually_async(lambda: settled(shop), timeout_seconds=PATIENCE_SECONDS) == 2


async def is_bought(shop: Shop, request_id: str) -> bool:
    """Buys once, whatever it takes: the store was restarted a moment ago."""
    try:
        hold = await shop.route(request_id=request_id)
        await shop.settle(hold.hold_id, output_tokens=50)
    except grpc.aio.AioRpcError as error:
        if error.code() is not grpc.StatusCode.UNAVAILABLE:
            raise
        return False
    return True


async def settled(shop: Shop) -> int:
    """How many settlements the first answer has that comes; 0 while there is none."""
    try:
        spend = await shop.connection.spend(shop.account)
    except grpc.aio.AioRpcError:
        return 0
    return spend.settled_nano_usd // 1_200_000


async def both(shop: Shop) -> bool:
    return len(await entries(shop)) == 2
