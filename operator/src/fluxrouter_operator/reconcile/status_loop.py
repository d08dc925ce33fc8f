"""The loop over statuses: bounded writes a second, what matters before what can wait."""

import asyncio
from typing import Final

import structlog

from fluxrouter_operator.clients.errors import ClientError, ClusterRefused
from fluxrouter_operator.reconcile.status_writing import StatusWriter
from fluxrouter_operator.reconcile.work_queue import WorkQueue
from fluxrouter_operator.reconcile.world import World

__all__ = ["Budget", "StatusLoop"]

_log = structlog.get_logger()

_WORKERS: Final = 4
_RETRY_REFUSED_SECONDS: Final = 60.0
# Writes that may come at once after a quiet time, in seconds' worth: a person who applies something
# sees its status at once, however slow the pace.
_BURST_SECONDS: Final = 2.0


class Budget:
    """Permits for writes: so many a second, with a small reserve."""

    def __init__(self, per_second: float) -> None:
        self._interval = 1.0 / per_second
        self._reserve = _BURST_SECONDS
        self._next = 0.0

    async def take(self) -> None:
        """Waits for a permit."""
        now = asyncio.get_running_loop().time()
        self._next = max(self._next, now - self._reserve) + self._interval
        if self._next > now:
            await asyncio.sleep(self._next - now)


class StatusLoop:
    """Writes statuses for ever: conditions first, spending with what is left of the budget."""

    def __init__(self, world: World, writer: StatusWriter) -> None:
        self._world = world
        self._writer = writer
        self._budget = Budget(world.pace.status_writes_per_second)

    async def run(self) -> None:
        """Works until it is cancelled."""
        async with asyncio.TaskGroup() as group:
            for _ in range(_WORKERS):
                group.create_task(self._run_worker(self._world.statuses))
            group.create_task(self._run_worker(self._world.spends))

    async def _run_worker(self, queue: WorkQueue) -> None:
        while True:
            (key,) = await queue.take(1)
            observed = self._world.view.get(key)
            if observed is None or not self._writer.is_due(observed):
                queue.done(key)
                continue
            await self._budget.take()
            try:
                await self._writer.write(observed)
            except ClusterRefused as error:
                _log.error("status_refused", key=key.server_name, error=str(error))
                queue.done(key)
                queue.add_after(key, _RETRY_REFUSED_SECONDS)
            except ClientError:
                queue.failed(key)
            else:
                queue.done(key)
