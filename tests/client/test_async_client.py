"""The client of the package, against a real server."""

import asyncio

import pytest

from fluxrouter.client import (
    AlreadyRouted,
    AsyncClient,
    CapReached,
    Denied,
    Options,
    Unavailable,
)
from fluxrouter.v1 import router_pb2
from fluxrouter_testing.spender import Spender

COST = 1_000_000 + 50 * 4_000  # of 1,000 input and 50 output tokens, in nano-USD

pytestmark = pytest.mark.parametrize("coalesces", [True, False])


def request(customer: Spender, request_id: str = "") -> router_pb2.RouteRequest:
    return router_pb2.RouteRequest(
        account=customer.account,
        model="flux-fast",
        request_id=request_id,
        input_tokens=1000,
        max_output_tokens=100,
    )


async def fail_after_the_answer(flux: AsyncClient, customer: Spender) -> None:
    async with flux.hold(account=customer.account, model="flux-fast", input_tokens=1000) as hold:
        hold.used(input_tokens=1000, output_tokens=50)
        raise RuntimeError("the answer makes no sense")


async def test_what_was_used_is_settled(customer: Spender, coalesces: bool) -> None:
    async with (
        AsyncClient(customer.address, Options(coalesces=coalesces)) as flux,
        flux.hold(
            account=customer.account, model="flux-fast", input_tokens=1000, max_output_tokens=100
        ) as hold,
    ):
        assert hold.max_output_tokens == 100
        assert (await customer.counters())[1] > 0
        hold.used(input_tokens=1000, output_tokens=50)
    assert hold.receipt is not None
    assert hold.receipt.billed_nano_usd == COST
    assert await customer.counters() == (COST, 0)


async def test_a_block_that_raises_gives_its_hold_back(customer: Spender, coalesces: bool) -> None:
    async with AsyncClient(customer.address, Options(coalesces=coalesces)) as flux:
        with pytest.raises(RuntimeError, match="the model is gone"):
            async with flux.hold(account=customer.account, model="flux-fast", input_tokens=10):
                raise RuntimeError("the model is gone")
    assert await customer.counters() == (0, 0)


async def test_a_block_that_raises_after_the_answer_pays_for_it(
    customer: Spender, coalesces: bool
) -> None:
    async with AsyncClient(customer.address, Options(coalesces=coalesces)) as flux:
        with pytest.raises(RuntimeError, match="the answer makes no sense"):
            await fail_after_the_answer(flux, customer)
    assert await customer.counters() == (COST, 0)


async def test_a_block_that_is_cancelled_gives_its_hold_back(
    customer: Spender, coalesces: bool
) -> None:
    holding = asyncio.Event()

    async def work(flux: AsyncClient) -> None:
        async with flux.hold(account=customer.account, model="flux-fast", input_tokens=10):
            holding.set()
            await asyncio.Event().wait()

    async with AsyncClient(customer.address, Options(coalesces=coalesces)) as flux:
        working = asyncio.create_task(work(flux))
        await holding.wait()
        working.cancel()
        with pytest.raises(asyncio.CancelledError):
            await working
        assert await customer.counters() == (0, 0)


async def test_a_cap_that_is_reached_says_what_is_left(customer: Spender, coalesces: bool) -> None:
    async with AsyncClient(customer.address, Options(coalesces=coalesces)) as flux:
        big = request(customer)
        big.input_tokens = 100_000  # $0.10
        for _ in range(9):
            await flux.route(big)
        with pytest.raises(CapReached) as refusal:
            await flux.route(big)
    assert refusal.value.reason == "CAP_REACHED"
    assert int(refusal.value.facts["remaining_nano_usd"]) < 100_000_000


async def test_what_is_wrong_with_a_request_is_named(customer: Spender, coalesces: bool) -> None:
    async with AsyncClient(customer.address, Options(coalesces=coalesces)) as flux:
        wrong = request(customer)
        wrong.choices = 1000
        with pytest.raises(Denied) as refusal:
            await flux.route(wrong)
    assert set(refusal.value.fields) == {"choices"}


async def test_a_request_that_was_admitted_elsewhere_is_not_served_again(
    customer: Spender, coalesces: bool
) -> None:
    async with AsyncClient(customer.address, Options(coalesces=coalesces)) as flux:
        first = await flux.route(request(customer, "mine"))
        with pytest.raises(AlreadyRouted) as again:
            await flux.route(request(customer, "mine"))
    assert again.value.response.hold_id == first.hold_id


async def test_many_calls_at_once_each_get_their_own_answer(
    customer: Spender, coalesces: bool
) -> None:
    async with AsyncClient(customer.address, Options(coalesces=coalesces)) as flux:
        ids = [f"many-{number}" for number in range(300)]
        answers = await asyncio.gather(*(flux.route(request(customer, name)) for name in ids))
        assert [answer.request_id for answer in answers] == ids
        receipts = await asyncio.gather(*(flux.release(answer.hold_id) for answer in answers))
    assert {receipt.hold_id for receipt in receipts} == {answer.hold_id for answer in answers}
    assert await customer.counters() == (0, 0)


async def test_a_server_that_is_not_there_is_unavailable_by_the_deadline(coalesces: bool) -> None:
    options = Options(coalesces=coalesces, timeout_seconds=0.3)
    async with AsyncClient("127.0.0.1:1", options) as flux:
        with pytest.raises(Unavailable):
            await flux.route(router_pb2.RouteRequest(account="a", model="flux-fast"))


async def test_calls_go_on_when_a_server_is_replaced(customer: Spender, coalesces: bool) -> None:
    leaving = customer.fleet.start_server("--reuse-port")
    customer.fleet.start_server("--reuse-port", "--listen", leaving.address)
    async with AsyncClient(leaving.address, Options(coalesces=coalesces)) as flux:
        first = await flux.route(request(customer))
        leaving.child.process.terminate()
        answers = [await flux.route(request(customer)) for _ in range(50)]
        assert await asyncio.to_thread(leaving.child.process.wait, 20) == 0
        answers += [await flux.route(request(customer)) for _ in range(10)]
    assert len({first.hold_id, *(answer.hold_id for answer in answers)}) == 61
