import asyncio
from dataclasses import dataclass, field

import pytest

from fluxrouter_server.services.single_flight import SingleFlight
from fluxrouter_testing.waiting import eventually_async


@dataclass
class Source:
    """Answers each load when the test says so."""

    loads: list[asyncio.Future[str | None]] = field(default_factory=list)

    async def load(self, _: str) -> str | None:
        future: asyncio.Future[str | None] = asyncio.get_running_loop().create_future()
        self.loads.append(future)
        return await future


def is_there(value: str | None) -> bool:
    return value is not None


async def until_loading(source: Source, count: int) -> None:
    await eventually_async(lambda: len(source.loads) >= count)


async def fetch_twice(source: Source) -> tuple[asyncio.Task[str | None], asyncio.Task[str | None]]:
    flights = SingleFlight(source.load)
    first = asyncio.create_task(flights.fetch("key", accept=is_there))
    await until_loading(source, 1)
    second = asyncio.create_task(flights.fetch("key", accept=is_there))
    await asyncio.sleep(0)
    return first, second


async def test_calls_at_the_same_time_share_a_load() -> None:
    source = Source()
    first, second = await fetch_twice(source)
    source.loads[0].set_result("found")
    assert (await first, await second) == ("found", "found")
    assert len(source.loads) == 1


async def test_what_an_earlier_load_did_not_find_is_looked_for_again() -> None:
    source = Source()
    first, second = await fetch_twice(source)
    source.loads[0].set_result(None)
    assert await first is None
    await until_loading(source, 2)
    source.loads[1].set_result("new")
    assert await second == "new"


async def test_an_error_is_everybodys_who_waits() -> None:
    source = Source()
    first, second = await fetch_twice(source)
    source.loads[0].set_exception(ConnectionError("away"))
    for task in (first, second):
        with pytest.raises(ConnectionError):
            await task


async def test_who_gives_up_does_not_end_the_load_for_others() -> None:
    source = Source()
    first, second = await fetch_twice(source)
    first.cancel()
    with pytest.raises(asyncio.CancelledError):
        await first
    source.loads[0].set_result("found")
    assert await second == "found"


async def test_a_later_call_loads_anew() -> None:
    source = Source()
    first, _ = await fetch_twice(source)
    source.loads[0].set_result("old")
    await first
    flights = SingleFlight(source.load)
    later = asyncio.create_task(flights.fetch("key", accept=is_there))
    await until_loading(source, 2)
    source.loads[1].set_result("new")
    assert await later == "new"
