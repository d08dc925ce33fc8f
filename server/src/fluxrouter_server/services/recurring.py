"""Runs a job again and again in a task of its own, whatever the job raises."""

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from fluxrouter_server.services.ports.errors import StoreError

_log = structlog.get_logger(__name__)

Sleep = Callable[[float], Awaitable[None]]


class Recurring:
    """One job, one task. What it raises is told to `on_failure`, logged once, and survived.

    `interval_seconds` is the pause between the end of a run and the next one.
    """

    def __init__(
        self,
        name: str,
        job: Callable[[], Awaitable[None]],
        *,
        interval_seconds: float,
        on_failure: Callable[[], None] = lambda: None,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._name = name
        self._job = job
        self._interval_seconds = interval_seconds
        self._on_failure = on_failure
        self._sleep = sleep
        self._is_failing = False
        self._task: asyncio.Task[None] | None = None

    def start(self) -> None:
        """Begin; the first run is at once.

        Raises:
            RuntimeError: it runs already.
        """
        if self._task is not None:
            raise RuntimeError(f"{self._name} runs already; stop it first")
        self._task = asyncio.create_task(self._run(), name=self._name)

    async def stop(self) -> None:
        """End, in the middle of a run where there is one; nothing happens if it does not run."""
        task, self._task = self._task, None
        if task is not None:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def _run(self) -> None:
        while True:
            await self.run_once()
            await self._sleep(self._interval_seconds)

    async def run_once(self) -> None:
        """Run the job now and take what it raises as the task does."""
        try:
            await self._job()
        except StoreError as error:
            # A store that is away is away for many runs; the first one tells.
            if not self._is_failing:
                _log.warning("recurring_job_failing", job=self._name, error=str(error))
            self._fail()
        except Exception:  # noqa: BLE001 - a defect must not end what keeps money from leaking
            _log.exception("recurring_job_failed", job=self._name)
            self._fail()
        else:
            if self._is_failing:
                _log.info("recurring_job_recovered", job=self._name)
            self._is_failing = False

    def _fail(self) -> None:
        self._is_failing = True
        self._on_failure()
