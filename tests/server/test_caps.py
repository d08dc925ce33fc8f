"""CapService over the wire."""

import asyncio

import grpc

from fluxrouter.v1 import cap_pb2
from fluxrouter_testing.refusals import refused
from fluxrouter_testing.shop import Shop


async def check(shop: Shop, **fields: object) -> cap_pb2.CheckCapResponse:
    request = cap_pb2.CheckCapRequest(request=shop.request(**fields))
    return await shop.connection.caps.CheckCap(request)


async def test_a_check_says_what_would_be_granted_and_holds_nothing(shop: Shop) -> None:
    answer = await check(shop)
    assert answer.fits
    assert (answer.model, answer.granted_max_output_tokens) == ("llama-3.1-8b", 100)
    assert answer.need_nano_usd == 1_400_000
    assert answer.headroom_nano_usd == 1_000_000_000
    assert await shop.held_nano_usd() == 0


async def test_a_check_says_why_a_request_would_be_denied(shop: Shop) -> None:
    await shop.route(input_tokens=999_000, max_output_tokens=250)
    answer = await check(shop)
    assert not answer.fits
    assert answer.reason == "CAP_REACHED"
    assert answer.message
    assert not answer.HasField("retry_time")


async def test_counters_of_the_month_are_read_by_level(shop: Shop) -> None:
    hold = await shop.route()
    await shop.settle(hold.hold_id, output_tokens=50)
    await shop.route()
    spend = await shop.connection.spend(shop.account)
    assert (spend.account, spend.plan) == (f"default/{shop.account}", shop.plan)
    assert (spend.cap_nano_usd, spend.settled_nano_usd) == (1_000_000_000, 1_200_000)
    assert (spend.held_nano_usd, spend.headroom_nano_usd) == (1_400_000, 997_400_000)
    assert spend.included_used_nano_usd == 1_200_000
    assert spend.in_flight == 1
    assert [level.level for level in spend.levels] == ["account", "hour", "key/main"]
    assert not spend.levels[1].HasField("cap_nano_usd")
    assert spend.period_start_time.ToJsonString() == "2027-01-01T00:00:00Z"
    assert spend.read_time.ToMicroseconds() == shop.clock.now_us


async def test_a_watch_sends_the_counters_and_again_when_they_change(shop: Shop) -> None:
    request = cap_pb2.WatchSpendRequest(account=shop.account, interval_milliseconds=100)
    call = shop.connection.caps.WatchSpend(request, timeout=30)
    assert (await anext(aiter(call))).spend.held_nano_usd == 0
    hold = await shop.route()
    assert (await anext(aiter(call))).spend.held_nano_usd == hold.held_nano_usd
    call.cancel()


async def test_a_watch_ends_with_its_deadline(shop: Shop) -> None:
    request = cap_pb2.WatchSpendRequest(account=shop.account)
    seen: list[cap_pb2.WatchSpendResponse] = []

    async def watch() -> None:
        call = shop.connection.caps.WatchSpend(request, timeout=0.3)
        seen.extend([answer async for answer in call])

    refusal = await refused(watch())
    assert refusal.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert len(seen) <= 1


async def test_a_watch_of_an_unknown_account_says_so(shop: Shop) -> None:
    async def watch() -> None:
        call = shop.connection.caps.WatchSpend(cap_pb2.WatchSpendRequest(account="nobody"))
        async for _ in call:
            await asyncio.sleep(0)

    assert (await refused(watch())).reason == "RESOURCE_NOT_FOUND"


async def test_an_interval_out_of_bounds_is_named(shop: Shop) -> None:
    async def watch() -> None:
        request = cap_pb2.WatchSpendRequest(account=shop.account, interval_milliseconds=5)
        async for _ in shop.connection.caps.WatchSpend(request):
            await asyncio.sleep(0)

    assert set((await refused(watch())).fields) == {"interval_milliseconds"}


async def test_the_counters_of_many_accounts_are_read_at_once(shop: Shop) -> None:
    await shop.route()
    names = [f"default/{shop.account}", "default/nobody", f"default/{shop.account}"]
    answer = await shop.connection.caps.BatchGetSpend(cap_pb2.BatchGetSpendRequest(accounts=names))
    assert [spend.held_nano_usd for spend in answer.spends] == [1_400_000, 1_400_000]
    assert list(answer.missing) == ["default/nobody"]


async def test_a_bulk_reading_names_the_entry_that_is_no_account(shop: Shop) -> None:
    request = cap_pb2.BatchGetSpendRequest(accounts=["default/good", "Not A Name"])
    refusal = await refused(shop.connection.caps.BatchGetSpend(request))
    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    assert list(refusal.fields) == ["accounts[1]"]


async def test_a_bulk_reading_is_bounded(shop: Shop) -> None:
    request = cap_pb2.BatchGetSpendRequest(accounts=["default/demo"] * 1001)
    refusal = await refused(shop.connection.caps.BatchGetSpend(request))
    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    assert list(refusal.fields) == ["accounts"]
