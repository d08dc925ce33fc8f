"""Whose time it is: the store's own, of which a server only has an estimate.

Scripts decide by the store's clock (docs/protocol.md §4). What is estimated here serves to say when
a caller will be gone, which period to propose and which rates are in force; where it is wrong, a
script answers so, with the right time, and the estimate is mended by that very answer.
"""

import time
from collections.abc import Callable
from pathlib import Path
from typing import Final, Protocol

from fluxrouter_server.services.ports.errors import StoreRefused
from fluxrouter_server.store.replies import Argument

__all__ = ["EstimatedClock", "FurthestClock", "ScriptClock", "SimulatedClock", "clock_file"]

_NS_PER_US: Final = 1_000
_FALLING_BACK: Final = 64
"""A step of this part towards an earlier time: dozens of answers, so that one node's do little."""


class ScriptClock(Protocol):
    """A `StoreClock` that also talks to scripts."""

    def now_us(self) -> int:
        """Store time in µs since 1970 UTC, as well as it is known."""
        ...

    def argument(self) -> Argument:
        """What scripts are given as the time; "" leaves it to the store."""
        ...

    def observe(self, store_us: int) -> None:
        """Take note of the time in an answer that has just come."""
        ...


class EstimatedClock:
    """The real clock of a store, from its latest answer and the time that went by since.

    Before the first answer it is this machine's clock.

    Args:
        monotonic_ns: This process's clock of durations.
    """

    def __init__(self, monotonic_ns: Callable[[], int] = time.monotonic_ns) -> None:
        self._monotonic_ns = monotonic_ns
        self._offset_us = time.time_ns() // _NS_PER_US - monotonic_ns() // _NS_PER_US

    def now_us(self) -> int:
        """Store time in µs, behind by at most the time an answer travels."""
        return self._monotonic_ns() // _NS_PER_US + self._offset_us

    def argument(self) -> Argument:
        """The store shall take its own time."""
        return ""

    def observe(self, store_us: int) -> None:
        """Start anew from an answer's time."""
        self._offset_us = store_us - self._monotonic_ns() // _NS_PER_US


class FurthestClock(EstimatedClock):
    """The clock of a store of several servers: about that of the one which is ahead of the others.

    So a server's lag behind another never looks like a caller who is gone (docs/protocol.md §4).
    """

    def observe(self, store_us: int) -> None:
        """Go on at once, and back slowly."""
        offset_us = store_us - self._monotonic_ns() // _NS_PER_US
        if offset_us < self._offset_us:
            offset_us = self._offset_us - (self._offset_us - offset_us) // _FALLING_BACK
        self._offset_us = offset_us


class SimulatedClock:
    """A clock that stands still until it is told otherwise; only a simulated store takes it.

    Args:
        read: Returns the time in µs; asked at each use.
    """

    def __init__(self, read: Callable[[], int]) -> None:
        self._read = read

    def now_us(self) -> int:
        """The simulated time in µs."""
        return self._read()

    def argument(self) -> Argument:
        """The simulated time, which becomes the store's."""
        return self._read()

    def observe(self, store_us: int) -> None:
        """Nothing to learn: the store had its time from here."""


def clock_file(path: Path) -> SimulatedClock:
    """A clock kept in a file, which several servers can share: µs since 1970 UTC in decimal.

    Its methods raise StoreRefused where the file cannot be read or holds no instant.
    """

    def read() -> int:
        try:
            return int(path.read_text(encoding="ascii"))
        except (OSError, ValueError) as error:
            raise StoreRefused(
                f"simulated clock {path}: {error}; write the time into it, in µs since 1970 UTC"
            ) from error

    return SimulatedClock(read)
