"""Keeps a hold alive while its answer takes longer than it would live."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Final

import structlog

from fluxrouter_server.domain.denials import Denial
from fluxrouter_server.domain.holds import Hold
from fluxrouter_server.edge.endings import EDGE
from fluxrouter_server.services.metering_service import MeteringService
from fluxrouter_server.services.ports.errors import StoreError

__all__ = ["Keeper"]

_log = structlog.get_logger(__name__)

_MICROSECONDS: Final = 1_000_000
#: A hold is extended when this part of its life is left, so that a slow store is no harm.
_PART_LEFT: Final = 3
_RETRY_SECONDS: Final = 1.0


class Keeper:
    """Extends holds.

    Args:
        metering: What extends them.
        now_us: The store's time.
    """

    def __init__(self, metering: MeteringService, now_us: Callable[[], int]) -> None:
        self._metering = metering
        self._now_us = now_us

    @asynccontextmanager
    async def kept(self, hold: Hold) -> AsyncIterator[None]:
        """Extend the hold whenever its end is near, until left.

        Nothing but a timer is made for answers that are fast. Where an extension is refused, the
        hold ends by its own rule and the settlement corrects it.
        """
        life_us = max(_MICROSECONDS, hold.expire_us - self._now_us())
        seconds = life_us * (_PART_LEFT - 1) / _PART_LEFT / _MICROSECONDS
        tasks: list[asyncio.Task[None]] = []

        def begin() -> None:
            tasks.append(asyncio.create_task(self._keep(hold, life_us)))

        timer = asyncio.get_running_loop().call_later(seconds, begin)
        try:
            yield
        finally:
            timer.cancel()
            for task in tasks:
                task.cancel()

    async def _keep(self, hold: Hold, life_us: int) -> None:
        pause = life_us * (_PART_LEFT - 1) / _PART_LEFT / _MICROSECONDS
        while True:
            try:
                extended = await self._metering.extend(
                    hold.id, output_tokens=0, expire_us=self._now_us() + life_us, caller=EDGE
                )
            except StoreError:
                await asyncio.sleep(_RETRY_SECONDS)
                continue
            if isinstance(extended, Denial):
                _log.warning("hold_not_extended", hold=hold.id, reason=extended.reason)
                return
            await asyncio.sleep(pause)
