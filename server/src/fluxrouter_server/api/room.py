"""Bounds how much is decided at once for callers who send many requests together.

The store decides in the order of arrival. Who sends ten thousand at once would have everybody else
wait behind them, past the time that a decision waits for the store.
"""

import asyncio
from collections import deque
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

__all__ = ["Room"]


class Room:
    """Has so many places; who wants more of them than are free waits, first come, first served.

    Args:
        places: How many.
    """

    def __init__(self, places: int) -> None:
        self._free = self._places = places
        self._waiting: deque[tuple[int, asyncio.Future[None]]] = deque()

    @asynccontextmanager
    async def taken(self, places: int) -> AsyncIterator[None]:
        """Holds places for the length of a block; never more than there are."""
        wanted = min(places, self._places)
        if self._waiting or self._free < wanted:
            await self._wait(wanted)
        else:
            self._free -= wanted
        try:
            yield
        finally:
            self._give_back(wanted)

    async def _wait(self, wanted: int) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.append((wanted, turn))
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled():
                self._give_back(wanted)  # the places came in the same moment
            else:
                self._admit()
            raise

    def _give_back(self, places: int) -> None:
        self._free += places
        self._admit()

    def _admit(self) -> None:
        waiting = self._waiting
        while waiting:
            wanted, turn = waiting[0]
            if not turn.done():
                if wanted > self._free:
                    return
                self._free -= wanted
                turn.set_result(None)
            waiting.popleft()
