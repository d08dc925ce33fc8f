import asyncio
from collections.abc import AsyncIterator

import pytest

from fluxrouter_server.transport.drain import Drain


class Endless:
    """Yields two numbers, then nothing for ever; knows whether it was ended properly."""

    def __init__(self) -> None:
        self.has_ended = False

    async def numbers(self) -> AsyncIterator[int]:
        try:
            yield 1
            yield 2
            await asyncio.Event().wait()
        finally:
            self.has_ended = True


async def test_a_stream_that_ends_by_itself_is_whole() -> None:
    async def numbers() -> AsyncIterator[int]:
        yield 1
        yield 2

    assert [number async for number in Drain().until(numbers())] == [1, 2]


async def test_a_stream_that_waits_ends_when_the_drain_begins() -> None:
    drain, endless, seen = Drain(), Endless(), []
    async for number in drain.until(endless.numbers()):
        seen.append(number)
        if number == 2:
            asyncio.get_running_loop().call_soon(drain.begin)
    assert seen == [1, 2]
    assert endless.has_ended


async def test_a_stream_that_begins_after_the_drain_is_empty() -> None:
    drain = Drain()
    drain.begin()
    assert [number async for number in drain.until(Endless().numbers())] == []


async def test_what_a_stream_raises_is_raised() -> None:
    async def broken() -> AsyncIterator[int]:
        yield 1
        raise LookupError("gone")

    numbers = Drain().until(broken())
    assert await anext(numbers) == 1
    with pytest.raises(LookupError):
        await anext(numbers)


async def test_waiting_says_whether_the_drain_has_begun() -> None:
    drain = Drain()
    assert not await drain.wait(0.001)
    drain.begin()
    drain.begin()
    assert await drain.wait()
    assert drain.has_begun
