"""The bound on what is decided at once."""

import asyncio

import pytest

from fluxrouter_server.api.room import Room


class Guests:
    """Come and stay until they are told to go; know who is in."""

    def __init__(self, places: int) -> None:
        self.room = Room(places)
        self.inside: list[str] = []
        self._leave: dict[str, asyncio.Event] = {}
        self._tasks: dict[str, asyncio.Task[None]] = {}

    async def come(self, name: str, places: int) -> None:
        self._leave[name] = asyncio.Event()
        self._tasks[name] = asyncio.create_task(self._stay(name, places))
        await settle()

    async def go(self, name: str) -> None:
        self._leave[name].set()
        await settle()

    async def give_up(self, name: str) -> None:
        self._tasks[name].cancel()
        with pytest.raises(asyncio.CancelledError):
            await self._tasks[name]
        await settle()

    async def _stay(self, name: str, places: int) -> None:
        async with self.room.taken(places):
            self.inside.append(name)
            try:
                await self._leave[name].wait()
            finally:
                self.inside.remove(name)


async def settle() -> None:
    for _ in range(5):
        await asyncio.sleep(0)


async def test_who_finds_no_places_waits_for_those_that_are_left() -> None:
    guests = Guests(10)
    await guests.come("a", 6)
    await guests.come("b", 6)
    assert guests.inside == ["a"]
    await guests.go("a")
    assert guests.inside == ["b"]


async def test_nobody_passes_who_waits() -> None:
    guests = Guests(10)
    await guests.come("a", 6)
    await guests.come("b", 6)
    await guests.come("small", 1)
    assert guests.inside == ["a"]
    await guests.go("a")
    assert guests.inside == ["b", "small"]


async def test_who_wants_more_than_there_is_gets_all() -> None:
    guests = Guests(10)
    await guests.come("huge", 1000)
    assert guests.inside == ["huge"]
    await guests.come("small", 1)
    assert guests.inside == ["huge"]


async def test_who_gives_up_lets_the_next_one_in() -> None:
    guests = Guests(10)
    await guests.come("a", 6)
    await guests.come("b", 6)
    await guests.come("c", 4)
    await guests.give_up("b")
    assert guests.inside == ["a", "c"]


async def test_who_is_cancelled_inside_gives_its_places_back() -> None:
    guests = Guests(10)
    await guests.come("a", 10)
    await guests.come("b", 10)
    await guests.give_up("a")
    assert guests.inside == ["b"]
