"""Lets calls that want the same thing at the same time share one look at the store."""

import asyncio
from collections.abc import Callable, Coroutine, Hashable
from typing import Any, Generic, TypeVar

K = TypeVar("K", bound=Hashable)
V = TypeVar("V")


class SingleFlight(Generic[K, V]):
    """One load for each key at any time; who comes while it runs gets its result or its error.

    A caller that gives up does not end the load for the others.
    """

    def __init__(self, load: Callable[[K], Coroutine[Any, Any, V]]) -> None:
        self._load = load
        self._flights: dict[K, asyncio.Task[V]] = {}

    async def fetch(self, key: K, *, accept: Callable[[V], bool]) -> V:
        """Load, or join the load that runs where its result is one to `accept`.

        A load that was under way may have looked before something was written that the caller knows
        was acknowledged. What it did not find must therefore be looked for again.
        """
        flight = self._flights.get(key)
        if flight is not None:
            result = await asyncio.shield(flight)
            if accept(result):
                return result
        # A load that runs now, if any, began after this call.
        return await asyncio.shield(self._flights.get(key) or self._take_off(key))

    def _take_off(self, key: K) -> asyncio.Task[V]:
        flight = asyncio.create_task(self._load(key))
        self._flights[key] = flight
        flight.add_done_callback(lambda done: self._land(key, done))
        return flight

    def _land(self, key: K, flight: asyncio.Task[V]) -> None:
        # A waiter may have been woken first and have begun the next one already.
        if self._flights.get(key) is flight:
            del self._flights[key]
        # Its error is everybody's who waited. Where nobody waits any more it is nobody's, and
        # asyncio would else complain that it was never looked at.
        if not flight.cancelled():
            flight.exception()
