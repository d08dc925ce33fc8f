"""Ends waits that last too long, for many calls with one timer.

A timer or a task for each call would cost more than the call. Calls are put into slots of 10 ms by
their deadline instead, and one timer of the event loop follows the earliest slot. A call that was
answered stays in its slot until the slot is due and is then dropped, so memory holds the calls of
one time-out's length.
"""

import asyncio
from collections.abc import Callable
from typing import Final, TypeAlias

from fluxrouter_server.store.replies import Reply

__all__ = ["DeadlineWheel", "ExpiredCalls"]

_SLOTS_PER_SECOND: Final = 100
"""A wait ends at most 10 ms late: with 200 ms that leaves a promise of 250 ms its room."""

_TIMER_SLACK_SECONDS: Final = 0.001
"""Event loops round to milliseconds; without it a timer could fire just before its slot is due."""

ExpiredCalls: TypeAlias = "list[asyncio.Future[Reply]]"


class DeadlineWheel:
    """Hands back the futures that were not done by their deadline.

    Args:
        loop: Whose clock the deadlines are on.
        on_expired: Takes the futures that are due and not done; it should fail them.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, on_expired: Callable[[ExpiredCalls], None]
    ) -> None:
        self._loop = loop
        self._on_expired = on_expired
        self._slots: dict[int, ExpiredCalls] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._timer_slot = 0

    def watch(self, future: asyncio.Future[Reply], deadline: float) -> None:
        """Hands the future to `on_expired` unless it is done by `deadline` (loop's clock)."""
        slot = int(deadline * _SLOTS_PER_SECOND) + 1
        calls = self._slots.get(slot)
        if calls is not None:
            calls.append(future)
            return
        self._slots[slot] = [future]
        if self._timer is None or slot < self._timer_slot:
            self._arm(slot)

    def stop(self) -> None:
        """Forgets everything; the futures are left as they are."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        self._slots.clear()

    def _arm(self, slot: int) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer_slot = slot
        self._timer = self._loop.call_at(
            slot / _SLOTS_PER_SECOND + _TIMER_SLACK_SECONDS, self._turn
        )

    def _turn(self) -> None:
        self._timer = None
        now_slot = int(self._loop.time() * _SLOTS_PER_SECOND)
        expired: ExpiredCalls = []
        for slot in [slot for slot in self._slots if slot <= now_slot]:
            expired += [future for future in self._slots.pop(slot) if not future.done()]
        if self._slots:
            self._arm(min(self._slots))
        if expired:
            self._on_expired(expired)
