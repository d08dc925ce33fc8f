"""The loop over the server: reads all spending from time to time, and sees whether it answers."""

import asyncio
from typing import Final

import structlog

from fluxrouter_operator.clients.errors import ServerRefused, ServerUnreachable
from fluxrouter_operator.reconcile.spend_reading import SpendReading
from fluxrouter_operator.reconcile.world import World

__all__ = ["SpendLoop"]

_log = structlog.get_logger()

# While the server is silent this loop is what notices that it is back.
_PROBE_SECONDS: Final = 1.0
_SAY_SECONDS: Final = 0.5


class SpendLoop:
    """Reads the server's counters and generations for ever."""

    def __init__(self, world: World, reading: SpendReading) -> None:
        self._world = world
        self._reading = reading

    async def run(self) -> None:
        """Works until it is cancelled."""
        resync_at = self._time() + self._world.pace.resync_seconds
        while True:
            try:
                await self._reading.read_all()
            except ServerUnreachable:
                pass  # noted where it was called; `run_health` says it
            except ServerRefused as error:
                _log.error("spend_refused", error=str(error))
            if self._time() >= resync_at:
                resync_at = self._time() + self._world.pace.resync_seconds
                self.send_everything_again()
            await asyncio.sleep(self._pause_seconds())

    async def run_health(self) -> None:
        """Says a silence of the server once it is long enough, until it is cancelled."""
        while True:
            await asyncio.sleep(_SAY_SECONDS)
            if self._world.health.is_to_be_said():
                self._world.statuses.add_all(item.key for item in self._world.view.all())

    def send_everything_again(self) -> None:
        """Lets every resource be applied, in case somebody changed it at the server."""
        for key, known in self._world.memory.items():
            known.is_suspect = True
            self._world.resources.add(key)

    def _pause_seconds(self) -> float:
        pause = self._world.pace.spend_seconds
        return min(_PROBE_SECONDS, pause) if self._world.health.is_silent else pause

    @staticmethod
    def _time() -> float:
        return asyncio.get_running_loop().time()
