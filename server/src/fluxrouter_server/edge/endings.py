"""Ends every hold of the edge once, whatever becomes of the request, its caller or the store.

An ending runs in a task of its own, which no departure of a caller cancels, and is repeated until
the store has it or the hold's life is over; then its own expiry has ended it.
"""

import asyncio
from collections.abc import Awaitable, Callable
from typing import Final

import structlog

from fluxrouter_server.domain.denials import Denial
from fluxrouter_server.domain.holds import Hold, Receipt
from fluxrouter_server.domain.ids import Principal
from fluxrouter_server.domain.pricing import Usage, validate_usage
from fluxrouter_server.services.callers import Caller, Scope
from fluxrouter_server.services.metering_service import MeteringService
from fluxrouter_server.services.ports.errors import StoreError

__all__ = ["EDGE", "Endings"]

_log = structlog.get_logger(__name__)

#: Who holds and settles for callers. Their own keys must not: whoever pays for an answer that still
#: runs would end its hold with a usage of nothing.
EDGE: Final = Caller(Principal("edge"), frozenset({Scope.ROUTE, Scope.METER}))

#: How long an answer waits for its settlement before it goes out without its cost.
_PATIENCE_SECONDS: Final = 2.0
_FIRST_PAUSE_SECONDS: Final = 0.05
_LONGEST_PAUSE_SECONDS: Final = 5.0
#: A hold expires within an hour unless it is set otherwise; a later ending would be refused.
_GIVE_UP_SECONDS: Final = 3600.0


class Endings:
    """Settles and releases.

    Args:
        metering: What ends holds.
    """

    def __init__(self, metering: MeteringService) -> None:
        self._metering = metering
        self._running: set[asyncio.Task[Receipt | None]] = set()

    async def settle(self, hold: Hold, usage: Usage) -> Receipt | None:
        """Charge a hold; return its receipt, or None where it is not known yet."""
        if validate_usage(usage):
            _log.error("usage_out_of_bounds", hold=hold.id, model=hold.model)
            usage = Usage(hold.input_tokens, 0, 0, hold.granted_output_tokens)
        return await self._end(lambda: self._metering.settle(hold.id, usage, EDGE), hold)

    async def receipt_of(self, hold: Hold) -> Receipt | None:
        """Return how a hold that is over ended: a second ending answers the first one's receipt."""
        return await self.settle(hold, Usage(0, 0, 0, 0))

    async def release(self, hold: Hold) -> None:
        """Give a hold back."""
        await self._end(lambda: self._metering.release(hold.id, EDGE), hold)

    async def finish(self, grace_seconds: float) -> None:
        """Wait for what still runs."""
        if self._running:
            await asyncio.wait(self._running, timeout=grace_seconds)

    async def _end(
        self, end: Callable[[], Awaitable[Receipt | Denial]], hold: Hold
    ) -> Receipt | None:
        task = asyncio.create_task(self._until_ended(end, hold))
        self._running.add(task)
        task.add_done_callback(self._running.discard)
        done, _ = await asyncio.wait((task,), timeout=_PATIENCE_SECONDS)
        return task.result() if done else None

    async def _until_ended(
        self, end: Callable[[], Awaitable[Receipt | Denial]], hold: Hold
    ) -> Receipt | None:
        now = asyncio.get_running_loop().time
        begun, pause = now(), _FIRST_PAUSE_SECONDS
        while True:
            try:
                answer = await end()
            except StoreError as error:
                if now() - begun > _GIVE_UP_SECONDS:
                    _log.error("hold_not_ended", hold=hold.id, error=str(error))
                    return None
            else:
                if isinstance(answer, Receipt):
                    return answer
                _log.error("hold_not_ended", hold=hold.id, reason=answer.reason)
                return None
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
