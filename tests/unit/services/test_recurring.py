import asyncio

import pytest

from fluxrouter_server.services.ports.errors import StoreUnavailable
from fluxrouter_server.services.recurring import Recurring
from fluxrouter_testing.use_cases import pass_at_once


class Job:
    def __init__(self) -> None:
        self.runs = 0
        self.failures = 0
        self.errors: list[Exception] = []
        self.done = asyncio.Event()
        self.recurring = Recurring(
            "job",
            self.run,
            interval_seconds=1,
            on_failure=self.fail,
            sleep=pass_at_once,
        )

    async def run(self) -> None:
        self.runs += 1
        if self.runs == 5:
            self.done.set()
        if self.errors:
            raise self.errors.pop(0)

    def fail(self) -> None:
        self.failures += 1


async def test_a_job_runs_again_and_again_until_it_is_stopped() -> None:
    job = Job()
    job.recurring.start()
    await job.done.wait()
    await job.recurring.stop()
    runs = job.runs
    await asyncio.sleep(0)
    assert job.runs == runs


async def test_a_job_survives_a_store_that_is_away_and_defects() -> None:
    job = Job()
    job.errors = [StoreUnavailable("away", outcome_unknown=True), KeyError("defect")]
    job.recurring.start()
    await job.done.wait()
    await job.recurring.stop()
    assert job.failures == 2


async def test_a_job_is_not_started_twice() -> None:
    job = Job()
    job.recurring.start()
    with pytest.raises(RuntimeError, match="runs already"):
        job.recurring.start()
    await job.recurring.stop()


async def test_what_does_not_run_may_be_stopped() -> None:
    await Job().recurring.stop()
