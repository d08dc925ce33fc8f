"""One try of a command: sent at once or never, ended at its deadline, counted by the breaker."""

import asyncio

import structlog

from fluxrouter_server.store.addresses import Place
from fluxrouter_server.store.breaker import CircuitBreaker
from fluxrouter_server.store.deadlines import DeadlineWheel, ExpiredCalls
from fluxrouter_server.store.errors import (
    CallFailed,
    CommandNotSent,
    CommandOutcomeUnknown,
    StoreError,
    StoreNotReady,
)
from fluxrouter_server.store.keeper import ConnectionKeeper
from fluxrouter_server.store.replies import Command, Reply

__all__ = ["BoundedCalls"]

_log = structlog.get_logger(__name__)


class BoundedCalls:
    """Sends commands over the kept connection and never lets one wait past its deadline.

    Args:
        place: Named in errors.
        keeper: Has the connection, if there is one.
        breaker: Asked before each call, told of each outcome.
    """

    def __init__(self, place: Place, *, keeper: ConnectionKeeper, breaker: CircuitBreaker) -> None:
        self._place = place
        self._keeper = keeper
        self._breaker = breaker
        self._loop = asyncio.get_running_loop()
        self._wheel = DeadlineWheel(self._loop, self._fail_expired)

    def submit(self, command: Command, deadline: float) -> asyncio.Future[Reply]:
        """Sends a command whose wait ends at the deadline, on the loop's clock.

        Returns:
            As `StoreConnection.call`; fails at the deadline besides, with `CommandNotSent` or
            `CommandOutcomeUnknown`.

        Raises:
            CommandNotSent: There is no connection, too much waits, or the breaker is open.
        """
        if not self._breaker.is_closed:
            raise CommandNotSent(
                f"store {self._place}: does not answer; trying again in the background "
                f"({self._keeper.last_error or 'calls timed out'})",
                is_outage=False,  # told by the breaker itself
            )
        connection = self._keeper.current
        if connection is None:
            raise CommandNotSent(
                f"store {self._place}: not connected ({self._keeper.last_error or 'not yet'})",
                may_repeat=True,
            )
        future = connection.call(command)
        self._wheel.watch(future, deadline)
        return future

    def record_answer(self) -> None:
        """The store answered a call."""
        if self._breaker.failures:
            self._breaker.record_success()

    def record_failure(self, failure: StoreError) -> None:
        """A call has failed for good."""
        if not isinstance(failure, CallFailed):
            self.record_answer()
            return
        if isinstance(failure, StoreNotReady) and failure.code == "READONLY":
            self._keeper.distrust()
        if failure.is_outage and self._breaker.record_failure(self._loop.time()):
            _log.warning("store_breaker_opened", address=str(self._place), error=str(failure))
            self._keeper.look_now()

    def stop(self) -> None:
        """Forgets all deadlines; the connection's end fails what still waits."""
        self._wheel.stop()

    def _fail_expired(self, futures: ExpiredCalls) -> None:
        connection = self._keeper.current
        unsent = connection.unsent() if connection is not None else set()
        for future in futures:
            if future in unsent:
                future.set_exception(
                    CommandNotSent(f"store {self._place}: did not take the command in time")
                )
            else:
                future.set_exception(
                    CommandOutcomeUnknown(
                        f"store {self._place}: no answer in time; "
                        "the command may have been executed"
                    )
                )
