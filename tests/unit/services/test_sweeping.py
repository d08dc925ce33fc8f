from collections.abc import Mapping

from fluxrouter_server.domain.holds import HoldState
from fluxrouter_server.services.ports.telemetry import Counter
from fluxrouter_server.services.sweeping import Sweeping
from fluxrouter_testing.port_doubles import Counts


class Duties:
    async def sweep(self) -> Mapping[HoldState, int]:
        return {HoldState.EXPIRED_CHARGED: 2, HoldState.EXPIRED_RELEASED: 1}

    async def finish_fan_outs(self) -> int:
        return 4


def sweeping(counts: Counts) -> Sweeping:
    duties = Duties()
    return Sweeping(sweeper=duties, fan_outs=[duties], telemetry=counts)


async def test_what_a_sweep_ended_is_counted() -> None:
    counts = Counts()
    await sweeping(counts).sweep()
    assert counts.totals[Counter.SWEPT_HOLDS] == 3


async def test_finished_fan_outs_are_counted() -> None:
    counts = Counts()
    await sweeping(counts).finish_fan_outs()
    assert counts.totals[Counter.FINISHED_FAN_OUTS] == 4


async def test_both_duties_begin_at_once_and_end_when_told() -> None:
    counts = Counts()
    both = sweeping(counts)
    both.start()
    await both.stop()
    both.start()  # a stopped one may begin again
    await both.stop()
