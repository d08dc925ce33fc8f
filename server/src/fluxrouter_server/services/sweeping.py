"""Ends what others left behind: overdue holds, and writes that did not reach every shard.

Every replica sweeps everything. The work is idempotent, so a replica that dies takes no duty with
it (docs/protocol.md §5: a hold ends within 2 s of its expiry).
"""

from collections.abc import Callable, Sequence
from time import perf_counter
from typing import Final

from fluxrouter_server.services.ports.documents import FanOuts
from fluxrouter_server.services.ports.holds import Sweeper
from fluxrouter_server.services.ports.telemetry import Counter, Measure, Telemetry
from fluxrouter_server.services.recurring import Recurring

SWEEP_SECONDS: Final = 1.0
#: Partial fan-outs are rare, and whoever made one was told to repeat it.
FAN_OUT_SECONDS: Final = 5.0


class Sweeping:
    """Both duties, each in a task of its own, so that a slow one does not delay the other."""

    def __init__(
        self,
        *,
        sweeper: Sweeper,
        fan_outs: Sequence[FanOuts],
        telemetry: Telemetry,
        seconds: Callable[[], float] = perf_counter,
    ) -> None:
        """`fan_outs` are one for each kind of document; `seconds` is a clock for durations only."""
        self._sweeper = sweeper
        self._fan_outs = fan_outs
        self._telemetry = telemetry
        self._seconds = seconds
        self._jobs = (
            Recurring(
                "sweep", self.sweep, interval_seconds=SWEEP_SECONDS, on_failure=self._count_failure
            ),
            Recurring(
                "finish fan-outs",
                self.finish_fan_outs,
                interval_seconds=FAN_OUT_SECONDS,
                on_failure=self._count_failure,
            ),
        )

    def start(self) -> None:
        """Begin both."""
        for job in self._jobs:
            job.start()

    async def stop(self) -> None:
        """End both; another replica, or the next start, does what is left."""
        for job in self._jobs:
            await job.stop()

    async def sweep(self) -> None:
        """End the overdue holds of all shards once."""
        begun = self._seconds()
        ended = await self._sweeper.sweep()
        self._telemetry.observe(Measure.SWEEP_SECONDS, self._seconds() - begun)
        for state, count in ended.items():
            self._telemetry.count(Counter.SWEPT_HOLDS, count, label=state)

    async def finish_fan_outs(self) -> None:
        """Bring every shard to the newest plans and catalog once."""
        finished = 0
        for documents in self._fan_outs:
            finished += await documents.finish_fan_outs()
        if finished:
            self._telemetry.count(Counter.FINISHED_FAN_OUTS, finished)

    def _count_failure(self) -> None:
        self._telemetry.count(Counter.SWEEP_FAILURES)
