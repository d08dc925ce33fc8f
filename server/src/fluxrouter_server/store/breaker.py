"""Decides when to stop asking a store that does not answer, and when to ask again.

A pure state machine: time is an argument, in seconds of any monotonic clock. It exists so that
after the first few callers have paid for a hung store with their whole wait, the next ones are told
at once.

::

    CLOSED ──(failures in a row)──> OPEN ──(pause over)──> PROBING ──success──> CLOSED
                                     ^                        └──failure──> OPEN
"""

import enum
from dataclasses import dataclass, field
from typing import Final

__all__ = ["BreakerState", "CircuitBreaker"]

_DEFAULT_FAILURES: Final = 5
"""More than one slow call by chance; few enough that a hang makes only a handful wait in vain."""

_DEFAULT_PAUSE_SECONDS: Final = 0.1
"""With a probe each 100 ms the store is used again well within a second of answering."""


class BreakerState(enum.Enum):
    """Whether calls may go to the store."""

    CLOSED = "closed"
    """Calls go to the store."""
    OPEN = "open"
    """Calls fail at once, until the pause is over and a probe may go."""
    PROBING = "probing"
    """One probe is under way; calls still fail at once."""


@dataclass(slots=True)
class CircuitBreaker:
    """Counts failures in a row; opens at a threshold; a successful probe closes it.

    Attributes:
        failure_threshold: So many failures in a row open it.
        pause_seconds: How long it stays open before a probe may go.
    """

    failure_threshold: int = _DEFAULT_FAILURES
    pause_seconds: float = _DEFAULT_PAUSE_SECONDS
    state: BreakerState = field(default=BreakerState.CLOSED, init=False)
    failures: int = field(default=0, init=False)
    _probe_at: float = field(default=0.0, init=False)

    @property
    def is_closed(self) -> bool:
        """Whether a call may go to the store."""
        return self.state is BreakerState.CLOSED

    def record_success(self) -> None:
        """The store answered: whatever was counted is forgotten, and calls may go."""
        self.failures = 0
        self.state = BreakerState.CLOSED

    def record_failure(self, now: float) -> bool:
        """The store did not answer.

        A failure of a call that was sent before the breaker opened changes nothing any more: only
        a failed probe starts the pause anew (see `record_probe_failure`).

        Returns:
            Whether this very failure opened the breaker.
        """
        self.failures += 1
        if self.state is not BreakerState.CLOSED or self.failures < self.failure_threshold:
            return False
        self._open(now)
        return True

    def record_probe_failure(self, now: float) -> None:
        """A probe failed: the breaker is open for another pause."""
        self.failures += 1
        self._open(now)

    def seconds_until_probe(self, now: float) -> float:
        """How long to wait before a probe may go: 0.0 when one may go now or none is needed."""
        if self.state is BreakerState.OPEN:
            return max(0.0, self._probe_at - now)
        return 0.0

    def begin_probe(self, now: float) -> bool:
        """Asks for leave to probe: given once per pause.

        Returns:
            True when the caller must now probe and then record a success or a probe failure.
        """
        if self.state is not BreakerState.OPEN or now < self._probe_at:
            return False
        self.state = BreakerState.PROBING
        return True

    def _open(self, now: float) -> None:
        self.state = BreakerState.OPEN
        self._probe_at = now + self.pause_seconds
