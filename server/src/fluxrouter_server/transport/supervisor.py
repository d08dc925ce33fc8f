"""Keeps Envoy workers running, and ends them together without losing a call.

A worker that ends by itself is replaced at once; one that ends soon after its start is given a
growing pause, so that a fault which all starts share does not eat the machine. What a killed worker
held is in the store, and ends there by its rule.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Final

import structlog

from fluxrouter_server.telemetry.merged_metrics import merged, only_counts
from fluxrouter_server.transport.envoy_worker import EnvoyWorker, WorkerFailed

__all__ = ["Supervisor", "supervised"]

_log = structlog.get_logger(__name__)

#: A worker that lived for so long did not fail by its start.
_GOOD_LIFE_SECONDS: Final = 10.0
_FIRST_PAUSE_SECONDS: Final = 0.1
_LONGEST_PAUSE_SECONDS: Final = 5.0


class Supervisor:
    """Holds the workers; use `supervised`.

    Args:
        workers: Not started yet.
    """

    def __init__(self, workers: Sequence[EnvoyWorker]) -> None:
        self._workers = tuple(workers)
        self._is_draining = False
        self._counts: dict[int, bytes] = {}
        self._counts_of_ended = b""

    @property
    def pids(self) -> tuple[int, ...]:
        """Processes of the workers that run."""
        return tuple(worker.pid for worker in self._workers if worker.pid is not None)

    def problem(self) -> str | None:
        """Returns why no call can be served, or None."""
        return None if self.pids else "no Envoy worker runs; the log says why"

    async def metrics(self) -> list[bytes]:
        """Returns the counts of all workers, as Prometheus reads them.

        Those of workers that have ended are among them, as of the last time that they were asked.
        """
        found = await asyncio.gather(*(worker.metrics() for worker in self._workers))
        for worker, text in zip(self._workers, found, strict=True):
            if text:
                self._counts[worker.number] = text
        return [self._counts_of_ended, *(text for text in found if text)]

    async def start(self) -> None:
        """Starts all, side by side.

        Raises:
            WorkerFailed: one did not come up.
        """
        results = await asyncio.gather(
            *(worker.start() for worker in self._workers), return_exceptions=True
        )
        for result in results:
            if isinstance(result, BaseException):
                raise result

    async def keep(self) -> None:
        """Replaces workers that end, until cancelled."""
        async with asyncio.TaskGroup() as group:
            for worker in self._workers:
                group.create_task(self._keep_one(worker))

    async def send_callers_away(self) -> None:
        """Ends each connection after its next answer; new ones are taken, and treated alike."""
        await asyncio.gather(*(worker.send_callers_away() for worker in self._workers))

    async def drain(self, grace_seconds: float) -> None:
        """Ends all, each when its calls are done, or the grace over."""
        self._is_draining = True
        await asyncio.gather(*(worker.drain(grace_seconds) for worker in self._workers))

    async def stop(self) -> None:
        """Ends what is left of them at once."""
        self._is_draining = True
        await asyncio.gather(*(worker.stop() for worker in self._workers))

    async def _keep_one(self, worker: EnvoyWorker) -> None:
        now = asyncio.get_running_loop().time
        begun, pause = now(), _FIRST_PAUSE_SECONDS
        while True:
            code = await worker.wait()
            if self._is_draining:
                return
            _log.error("worker_ended", worker=worker.number, exit_code=code)
            self._keep_counts(worker.number)
            if now() - begun > _GOOD_LIFE_SECONDS:
                pause = _FIRST_PAUSE_SECONDS
            while not self._is_draining:
                begun = now()
                try:
                    await worker.start()
                    break
                except WorkerFailed as error:
                    _log.error("worker_not_replaced", worker=worker.number, error=str(error))
                await asyncio.sleep(pause)
                pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    def _keep_counts(self, number: int) -> None:
        counts = only_counts(self._counts.pop(number, b""))
        self._counts_of_ended = merged([self._counts_of_ended, counts])


@asynccontextmanager
async def supervised(workers: Sequence[EnvoyWorker]) -> AsyncIterator[Supervisor]:
    """Runs workers until left; whoever leaves has drained them, or does not want to.

    Raises:
        WorkerFailed: one did not come up.
    """
    supervisor = Supervisor(workers)
    try:
        await supervisor.start()
        keeping = asyncio.create_task(supervisor.keep(), name="keep the workers running")
        try:
            yield supervisor
        finally:
            keeping.cancel()
            await asyncio.wait((keeping,))
    finally:
        await supervisor.stop()
