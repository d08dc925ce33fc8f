"""Undoes admissions that nobody knows of.

A call to the store that got no answer may have made a hold all the same, while its caller was told
that there is none (or is gone). So the hold is given back, by request and attempt, again and again
until the store acknowledges it. A release of a request that the store has not seen is remembered
there, so that an admission still under way cannot come to life later (docs/protocol.md §4).

The release names the call: what another call of the same request was given, such as the caller's
own retry on another replica, stays as it is.
"""

import asyncio
from typing import Final

import structlog

from fluxrouter_server.domain.denials import Denial
from fluxrouter_server.services.bounded import each_bounded
from fluxrouter_server.services.ports.errors import StoreError, StoreUnavailable
from fluxrouter_server.services.ports.holds import (
    AdmitCommand,
    Admitted,
    HoldStore,
    ReleaseCommand,
    Stale,
)
from fluxrouter_server.services.ports.telemetry import Counter, Telemetry

_log = structlog.get_logger(__name__)

#: Some 10 MB. A store that is away this long is told by health and metrics; what no longer fits
#: ends by its expiry.
CAPACITY: Final = 20_000
FIRST_PAUSE_SECONDS: Final = 0.05
LONGEST_PAUSE_SECONDS: Final = 1.0
_AT_ONCE: Final = 64


class UnknownOutcomes:
    """Asks for admissions, and keeps a bounded list of those to undo with the task that does it."""

    def __init__(
        self,
        *,
        holds: HoldStore,
        telemetry: Telemetry,
        capacity: int = CAPACITY,
    ) -> None:
        self._holds = holds
        self._telemetry = telemetry
        self._capacity = capacity
        self._pending: list[AdmitCommand] = []
        self._arrived = asyncio.Event()
        self._cleared = asyncio.Event()
        self._cleared.set()
        self._task: asyncio.Task[None] | None = None

    def __len__(self) -> int:
        """How many calls are still to be undone."""
        return len(self._pending)

    async def admit(self, command: AdmitCommand) -> Admitted | Denial | Stale:
        """Ask for an admission; where its outcome does not reach the caller it is undone.

        Raises:
            StoreUnavailable: no decision was had.
        """
        try:
            return await self._holds.admit(command)
        except StoreUnavailable as error:
            if error.outcome_unknown:
                self.undo(command)
            raise
        except asyncio.CancelledError:
            # The caller has gone and will never know of a hold that is made now.
            self.undo(command)
            raise

    def undo(self, command: AdmitCommand) -> None:
        """Give back what the call may have been admitted, as soon as the store answers."""
        if len(self._pending) >= self._capacity:
            self._telemetry.count(Counter.UNKNOWN_OUTCOMES_DROPPED)
            _log.error("unknown_outcome_dropped", request_id=command.request_id)
            return
        self._telemetry.count(Counter.UNKNOWN_OUTCOMES)
        self._pending.append(command)
        self._cleared.clear()
        self._arrived.set()

    def start(self) -> None:
        """Begin to undo.

        Raises:
            RuntimeError: it runs already.
        """
        if self._task is not None:
            raise RuntimeError("unknown outcomes are being undone already; stop that first")
        self._task = asyncio.create_task(self._run(), name="undo unknown outcomes")

    async def stop(self, *, grace_seconds: float) -> None:
        """Undo what can be undone in that time, then end."""
        task, self._task = self._task, None
        if task is None:
            return
        try:
            async with asyncio.timeout(grace_seconds):
                await self._cleared.wait()
        except TimeoutError:
            _log.error("unknown_outcomes_left", count=len(self._pending))
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        pause = FIRST_PAUSE_SECONDS
        while True:
            await self._arrived.wait()
            if await self.undo_pending():
                pause = FIRST_PAUSE_SECONDS
                continue
            # Not at once: a store that does not answer is not helped by more calls.
            await asyncio.sleep(pause)
            pause = min(2 * pause, LONGEST_PAUSE_SECONDS)

    async def undo_pending(self) -> bool:
        """Try to undo each once; say whether none is left of those that were there."""
        tried, self._pending = self._pending, []
        left: list[AdmitCommand] = tried
        try:
            undone = await each_bounded(tried, self._is_undone, at_once=_AT_ONCE)
            left = [command for command, done in zip(tried, undone, strict=True) if not done]
        finally:
            self._pending = left + self._pending
            if not self._pending:
                self._arrived.clear()
                self._cleared.set()
        self._telemetry.count(Counter.UNKNOWN_OUTCOMES_CLEARED, len(tried) - len(left))
        return not left

    async def _is_undone(self, command: AdmitCommand) -> bool:
        try:
            answer = await self._holds.release(_release_of(command))
        except StoreError:
            return False
        except Exception:  # noqa: BLE001 - a defect must not end the task that undoes the others
            _log.exception("unknown_outcome_not_undone", request_id=command.request_id)
            return False
        # A receipt and a denial are both an acknowledgement: the store knows of the release. A
        # release depends on no document, so STALE says no more than that the account is gone.
        return not isinstance(answer, Stale) or answer.account_missing


def _release_of(command: AdmitCommand) -> ReleaseCommand:
    return ReleaseCommand(
        uid=command.limits.uid,
        request_id=command.request_id,
        attempt=command.attempt,
        hold=None,
        limits=command.limits,
        principal=command.principal,
        may_meter_any=False,
        call=command.call,
    )
