"""MeteringService over the wire."""

import grpc
from google.protobuf.timestamp_pb2 import Timestamp

from fluxrouter.v1 import metering_pb2, router_pb2
from fluxrouter_testing.refusals import refused
from fluxrouter_testing.shop import Shop


async def test_a_settlement_bills_what_was_used(shop: Shop) -> None:
    hold = await shop.route()
    receipt = await shop.settle(hold.hold_id, output_tokens=50)
    assert receipt.hold_id == hold.hold_id
    assert receipt.state == router_pb2.HOLD_STATE_SETTLED
    assert receipt.cost_nano_usd == receipt.billed_nano_usd == 1_200_000
    assert receipt.included_nano_usd == 1_200_000
    assert receipt.absorbed_nano_usd == receipt.metered_nano_usd == 0
    assert (receipt.model, receipt.lane) == ("llama-3.1-8b", "express")
    assert not receipt.replayed


async def test_a_settlement_that_is_repeated_is_answered_as_before(shop: Shop) -> None:
    hold = await shop.route()
    first = await shop.settle(hold.hold_id, output_tokens=50)
    again = await shop.settle(hold.hold_id, output_tokens=99)
    assert again.replayed
    assert again.billed_nano_usd == first.billed_nano_usd


async def test_a_settlement_names_its_usage(shop: Shop) -> None:
    hold = await shop.route()
    request = metering_pb2.SettleRequest(hold_id=hold.hold_id)
    refusal = await refused(shop.connection.metering.Settle(request))
    assert set(refusal.fields) == {"usage"}
    assert await shop.held_nano_usd() == hold.held_nano_usd


async def test_a_hold_can_be_given_back_by_its_id(shop: Shop) -> None:
    hold = await shop.route()
    request = metering_pb2.ReleaseRequest(hold_id=hold.hold_id)
    receipt = (await shop.connection.metering.Release(request)).receipt
    assert receipt.state == router_pb2.HOLD_STATE_RELEASED
    assert receipt.billed_nano_usd == 0
    assert await shop.held_nano_usd() == 0


async def test_a_hold_can_be_given_back_by_its_request(shop: Shop) -> None:
    hold = await shop.route(request_id="lost")
    request = metering_pb2.ReleaseRequest(account=shop.account, request_id="lost")
    receipt = (await shop.connection.metering.Release(request)).receipt
    assert receipt.hold_id == hold.hold_id
    assert await shop.held_nano_usd() == 0


async def test_a_request_that_was_given_back_beforehand_is_not_admitted(shop: Shop) -> None:
    request = metering_pb2.ReleaseRequest(account=shop.account, request_id="late")
    receipt = (await shop.connection.metering.Release(request)).receipt
    assert receipt.hold_id == ""
    refusal = await refused(shop.route(request_id="late"))
    assert (refusal.code, refusal.reason) == (
        grpc.StatusCode.FAILED_PRECONDITION,
        "ATTEMPT_SUPERSEDED",
    )
    assert (await shop.route(request_id="late", attempt=2)).attempt == 2


async def test_a_release_names_a_hold_or_a_request_and_not_both(shop: Shop) -> None:
    hold = await shop.route(request_id="r")
    request = metering_pb2.ReleaseRequest(hold_id=hold.hold_id, request_id="r")
    refusal = await refused(shop.connection.metering.Release(request))
    assert set(refusal.fields) == {"hold_id"}
    assert await shop.held_nano_usd() == hold.held_nano_usd


async def test_a_hold_can_be_enlarged_in_tokens_and_time(shop: Shop) -> None:
    hold = await shop.route()
    expire = Timestamp()
    expire.FromMicroseconds(shop.clock.now_us + 600_000_000)
    request = metering_pb2.ExtendRequest(
        hold_id=hold.hold_id, max_output_tokens=200, expire_time=expire
    )
    answer = await shop.connection.metering.Extend(request)
    assert answer.granted_max_output_tokens == 200
    assert answer.held_nano_usd == 1_800_000
    assert answer.expire_time == expire


async def test_a_hold_that_has_ended_is_not_enlarged(shop: Shop) -> None:
    hold = await shop.route()
    await shop.settle(hold.hold_id, output_tokens=1)
    request = metering_pb2.ExtendRequest(hold_id=hold.hold_id, max_output_tokens=200)
    refusal = await refused(shop.connection.metering.Extend(request))
    assert refusal.reason == "HOLD_ENDED"
