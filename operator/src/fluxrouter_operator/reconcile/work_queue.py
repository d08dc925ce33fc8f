"""What is to be looked at: each key once, however often it was asked for, now or later.

As in every level-based operator a key says only where to look, never what happened there.
"""

import asyncio
import heapq
from collections.abc import Callable, Iterable
from typing import Final

from fluxrouter_operator.observed import Key

__all__ = ["WorkQueue"]

_FIRST_RETRY_SECONDS: Final = 0.1
_LAST_RETRY_SECONDS: Final = 30.0


class WorkQueue:
    """Keys to work on, for one or several workers.

    A key that is being worked on and is added again is given out again afterwards, never to two
    workers at the same time.

    Args:
        monotonic: seconds that only grow; the event loop's own by default.
    """

    def __init__(self, monotonic: Callable[[], float] | None = None) -> None:
        self._monotonic = monotonic or (lambda: asyncio.get_running_loop().time())
        self._ready: dict[Key, None] = {}  # in order of arrival
        self._busy: set[Key] = set()
        self._again: set[Key] = set()
        self._later: list[tuple[float, Key]] = []
        self._due: dict[Key, float] = {}
        self._failures: dict[Key, int] = {}
        self._wake = asyncio.Event()

    def __len__(self) -> int:
        """The keys that are ready to be taken."""
        return len(self._ready)

    @property
    def is_idle(self) -> bool:
        """Whether nothing is ready and nobody works on anything."""
        return not self._ready and not self._busy

    def add(self, key: Key) -> None:
        """Asks for a look at a key as soon as possible."""
        if key in self._busy:
            self._again.add(key)
            return
        self._ready[key] = None
        self._wake.set()

    def add_all(self, keys: Iterable[Key]) -> None:
        """Asks for a look at each."""
        for key in keys:
            self.add(key)

    def add_after(self, key: Key, seconds: float) -> None:
        """Asks for a look in some time; of several such wishes the earliest counts."""
        due = self._monotonic() + seconds
        if due < self._due.get(key, float("inf")):
            self._due[key] = due
            heapq.heappush(self._later, (due, key))
            self._wake.set()

    async def take(self, most: int) -> list[Key]:
        """Waits for work and returns at most so many keys, in order of arrival.

        Each has to be given back by `done` or `failed`.
        """
        while not self._ready:
            self._wake.clear()
            self._ripen()
            if self._ready:
                break
            await self._sleep_until_due()
        self._ripen()
        taken = list(self._ready)[:most]
        for key in taken:
            del self._ready[key]
        self._busy.update(taken)
        return taken

    def done(self, key: Key) -> None:
        """Gives a key back after its work."""
        self._failures.pop(key, None)
        self._release(key)

    def failed(self, key: Key) -> None:
        """Gives a key back whose work could not be done; it comes again, later each time."""
        failures = self._failures.get(key, 0)
        self._failures[key] = failures + 1
        self._release(key)
        self.add_after(key, min(_FIRST_RETRY_SECONDS * 2**failures, _LAST_RETRY_SECONDS))

    def hurry(self) -> None:
        """Makes everything that waits for another try ready now, because its cause may be gone."""
        for key in list(self._due):
            if key in self._failures:
                self._failures.pop(key)
                del self._due[key]
                self.add(key)

    def _release(self, key: Key) -> None:
        self._busy.discard(key)
        if key in self._again:
            self._again.discard(key)
            self.add(key)

    def _ripen(self) -> None:
        now = self._monotonic()
        while self._later and self._later[0][0] <= now:
            due, key = heapq.heappop(self._later)
            if self._due.get(key) == due:
                del self._due[key]
                self.add(key)

    async def _sleep_until_due(self) -> None:
        timeout = self._later[0][0] - self._monotonic() if self._later else None
        try:
            async with asyncio.timeout(timeout):
                await self._wake.wait()
        except TimeoutError:
            return
