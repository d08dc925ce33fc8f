"""The client without an event loop."""

import asyncio
from concurrent.futures import ThreadPoolExecutor

import pytest

from fluxrouter.client import Client, Denied
from fluxrouter_testing.spender import Spender


def spend(customer: Spender, fail: bool = False) -> int:
    with (
        Client(customer.address) as flux,
        flux.hold(
            account=customer.account, model="flux-fast", input_tokens=1000, max_output_tokens=100
        ) as hold,
    ):
        if fail:
            raise RuntimeError("the model is gone")
        hold.used(input_tokens=1000, output_tokens=50)
    assert hold.receipt is not None
    return hold.receipt.billed_nano_usd


async def test_a_hold_is_settled_when_its_block_ends(customer: Spender) -> None:
    assert await asyncio.to_thread(spend, customer) == 1_200_000
    assert await customer.counters() == (1_200_000, 0)


async def test_a_hold_is_given_back_when_its_block_raises(customer: Spender) -> None:
    with pytest.raises(RuntimeError):
        await asyncio.to_thread(spend, customer, True)
    assert await customer.counters() == (0, 0)


async def test_threads_share_a_client(customer: Spender) -> None:
    def work() -> int:
        with Client(customer.address) as flux, ThreadPoolExecutor(16) as pool:

            def one(_: int) -> int:
                with flux.hold(
                    account=customer.account,
                    model="flux-fast",
                    input_tokens=1000,
                    max_output_tokens=100,
                ) as hold:
                    hold.used(input_tokens=1000, output_tokens=50)
                assert hold.receipt is not None
                return hold.receipt.billed_nano_usd

            return sum(pool.map(one, range(100)))

    assert await asyncio.to_thread(work) == 100 * 1_200_000
    assert await customer.counters() == (100 * 1_200_000, 0)


async def test_a_denial_is_raised_where_the_hold_is_asked_for(customer: Spender) -> None:
    def ask() -> None:
        with Client(customer.address) as flux, flux.hold(model="nobodys", account=customer.account):
            raise AssertionError("the block must not run")

    with pytest.raises(Denied, match="MODEL_NOT_FOUND"):
        await asyncio.to_thread(ask)
