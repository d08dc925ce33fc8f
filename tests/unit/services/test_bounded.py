import asyncio

import pytest

from fluxrouter_server.services.bounded import each_bounded
from fluxrouter_server.services.ports.errors import StoreUnavailable


async def test_results_come_in_order_whatever_the_order_of_work() -> None:
    async def work(number: int) -> int:
        for _ in range(10 - number):
            await asyncio.sleep(0)
        return number * number

    assert await each_bounded(range(10), work, at_once=4) == [n * n for n in range(10)]


async def test_no_more_run_at_once_than_allowed() -> None:
    running = most = 0

    async def work(_: int) -> None:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1

    await each_bounded(range(20), work, at_once=3)
    assert most == 3


async def test_an_error_is_raised_as_it_is() -> None:
    async def work(number: int) -> None:
        if number == 2:
            raise StoreUnavailable("away", outcome_unknown=True)

    with pytest.raises(StoreUnavailable, match="away"):
        await each_bounded(range(5), work, at_once=2)


async def test_nothing_to_do_is_done() -> None:
    async def work(_: int) -> None:
        raise AssertionError("there is nothing to do")

    assert await each_bounded([], work, at_once=2) == []
