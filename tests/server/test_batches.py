"""Batch and stream forms of Route and Settle over the wire."""

import asyncio
from collections.abc import AsyncIterator

import grpc
from google.rpc import error_details_pb2

from fluxrouter.v1 import control_pb2, errors_pb2, metering_pb2, router_pb2
from fluxrouter_testing.customers import connected
from fluxrouter_testing.fleet import Fleet
from fluxrouter_testing.refusals import refused
from fluxrouter_testing.shop import Shop

HELD = 1_400_000  # by one request of the shop


def reason(refusal: errors_pb2.Refusal) -> str:
    info = error_details_pb2.ErrorInfo()
    assert any(detail.Unpack(info) for detail in refusal.details)
    return info.reason


async def route_batch(shop: Shop, *ids: str, **fields: object) -> list[router_pb2.RouteResult]:
    requests = [shop.request(request_id=name, **fields) for name in ids]
    batch = router_pb2.RouteBatchRequest(requests=requests)
    return list((await shop.connection.router.RouteBatch(batch)).results)


def settlement(hold_id: str) -> metering_pb2.SettleRequest:
    usage = metering_pb2.Usage(input_tokens=1000, output_tokens=50)
    return metering_pb2.SettleRequest(hold_id=hold_id, usage=usage)


async def test_each_request_of_a_batch_is_admitted_in_its_place(shop: Shop) -> None:
    results = await route_batch(shop, "a", "b", "c")
    assert [result.response.request_id for result in results] == ["a", "b", "c"]
    assert len({result.response.hold_id for result in results}) == 3
    assert await shop.held_nano_usd() == 3 * HELD


async def test_a_request_that_is_denied_harms_no_other(shop: Shop) -> None:
    requests = [
        shop.request(request_id="good"),
        shop.request(request_id="bad", model="no-such-model"),
        shop.request(request_id="late"),
    ]
    batch = router_pb2.RouteBatchRequest(requests=requests)
    good, bad, late = (await shop.connection.router.RouteBatch(batch)).results
    assert good.response.hold_id
    assert late.response.hold_id
    assert bad.refusal.code == grpc.StatusCode.NOT_FOUND.value[0]
    assert reason(bad.refusal) == "MODEL_NOT_FOUND"


async def test_batches_never_pass_the_cap(shop: Shop) -> None:
    batches = [
        await route_batch(shop, *(f"{batch}-{item}" for item in range(100)), max_output_tokens=1000)
        for batch in range(3)
    ]
    results = [result for batch in batches for result in batch]
    admitted = [result.response for result in results if result.HasField("response")]
    denied = {reason(result.refusal) for result in results if result.HasField("refusal")}
    assert denied == {"CAP_REACHED"}
    held = await shop.held_nano_usd()
    assert held == sum(answer.held_nano_usd for answer in admitted)
    assert 990_000_000 < held <= 1_000_000_000


async def test_a_batch_that_is_repeated_replays_what_it_admitted(shop: Shop) -> None:
    first = await route_batch(shop, "a", "b")
    again = await route_batch(shop, "a", "b", "c")
    assert [result.response.replayed for result in again] == [True, True, False]
    assert [result.response.hold_id for result in again[:2]] == [
        result.response.hold_id for result in first
    ]


async def test_a_batch_must_have_something_and_not_too_much(shop: Shop) -> None:
    for count in (0, 101):
        batch = router_pb2.RouteBatchRequest(requests=[shop.request()] * count)
        refusal = await refused(shop.connection.router.RouteBatch(batch))
        assert set(refusal.fields) == {"requests"}
    assert await shop.held_nano_usd() == 0


async def test_holds_are_settled_together(shop: Shop) -> None:
    holds = [result.response.hold_id for result in await route_batch(shop, "a", "b")]
    requests = [settlement(hold) for hold in (*holds, "no-hold")]
    batch = metering_pb2.SettleBatchRequest(requests=requests)
    *settled, wrong = (await shop.connection.metering.SettleBatch(batch)).results
    assert [result.response.receipt.hold_id for result in settled] == holds
    assert {result.response.receipt.billed_nano_usd for result in settled} == {1_200_000}
    assert reason(wrong.refusal) == "INVALID_REQUEST"
    assert await shop.held_nano_usd() == 0


async def test_each_message_of_a_stream_is_answered_under_its_name(shop: Shop) -> None:
    async def messages() -> AsyncIterator[router_pb2.RouteStreamRequest]:
        for number in range(1, 21):
            requests = [shop.request(request_id=f"{number}-{item}") for item in range(3)]
            yield router_pb2.RouteStreamRequest(batch_id=number, requests=requests)

    answers = [answer async for answer in shop.connection.router.RouteStream(messages())]
    assert {answer.batch_id for answer in answers} == set(range(1, 21))
    for answer in answers:
        ids = [result.response.request_id for result in answer.results]
        assert ids == [f"{answer.batch_id}-{item}" for item in range(3)]


async def test_a_stream_answers_while_it_goes_on(shop: Shop) -> None:
    call = shop.connection.router.RouteStream()
    for number in (1, 2):
        request = shop.request(request_id=str(number))
        await call.write(router_pb2.RouteStreamRequest(batch_id=number, requests=[request]))
        answer = await asyncio.wait_for(call.read(), 5)
        assert isinstance(answer, router_pb2.RouteStreamResponse)
        assert answer.batch_id == number
        (result,) = answer.results
        held = settlement(result.response.hold_id)
        settling = shop.connection.metering.SettleStream()
        await settling.write(metering_pb2.SettleStreamRequest(batch_id=7, requests=[held]))
        settled = await asyncio.wait_for(settling.read(), 5)
        assert isinstance(settled, metering_pb2.SettleStreamResponse)
        assert settled.results[0].response.receipt.billed_nano_usd == 1_200_000
        await settling.done_writing()
    await call.done_writing()
    assert await call.code() is grpc.StatusCode.OK


async def test_a_message_that_makes_no_sense_ends_its_stream(shop: Shop) -> None:
    async def messages() -> AsyncIterator[router_pb2.RouteStreamRequest]:
        yield router_pb2.RouteStreamRequest(batch_id=1)
        await asyncio.Event().wait()

    call = shop.connection.router.RouteStream(messages(), timeout=10)
    refusal = await refused(anext(aiter(call)))
    assert set(refusal.fields) == {"requests"}


async def test_a_key_that_is_revoked_is_refused_on_its_open_stream(shop: Shop) -> None:
    key = await shop.create_key()
    own = {"account": ""}
    call = shop.connection.router.RouteStream(metadata=(("authorization", f"Bearer {key}"),))
    first = shop.request(request_id="before", **own)
    await call.write(router_pb2.RouteStreamRequest(batch_id=1, requests=[first]))
    answer = await call.read()
    assert isinstance(answer, router_pb2.RouteStreamResponse)
    assert answer.results[0].response.hold_id
    await shop.connection.control.RevokeKey(
        control_pb2.RevokeKeyRequest(account=shop.account, name="main")
    )
    second = shop.request(request_id="after", **own)
    await call.write(router_pb2.RouteStreamRequest(batch_id=2, requests=[second]))
    answer = await call.read()
    assert isinstance(answer, router_pb2.RouteStreamResponse)
    assert reason(answer.results[0].refusal) == "API_KEY_INVALID"
    call.cancel()


async def test_a_stream_ends_well_when_its_server_drains(fleet: Fleet, shop: Shop) -> None:
    server = fleet.start_server()
    async with connected(server.address) as connection:
        call = connection.router.RouteStream()
        request = shop.request(request_id="one")
        await call.write(router_pb2.RouteStreamRequest(batch_id=1, requests=[request]))
        await call.read()
        server.child.process.terminate()
        assert await call.read() is grpc.aio.EOF
        assert await call.code() is grpc.StatusCode.OK
    assert await asyncio.to_thread(server.child.process.wait, 20) == 0
