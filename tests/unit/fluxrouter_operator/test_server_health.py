from datetime import UTC, datetime, timedelta

import pytest

from fluxrouter_operator.clients.errors import ServerUnreachable
from fluxrouter_operator.reconcile.server_health import ServerHealth

GONE = ServerUnreachable("UNAVAILABLE: gone")


class Clock:
    def __init__(self) -> None:
        self.now = datetime(2027, 1, 15, 8, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def health(clock: Clock) -> ServerHealth:
    return ServerHealth(clock, timedelta(seconds=10))


def test_a_short_silence_is_not_said(health: ServerHealth, clock: Clock) -> None:
    health.failed(GONE)
    clock.now += timedelta(seconds=9)
    assert health.is_silent
    assert not health.is_to_be_said()
    assert health.said is None


def test_a_long_silence_is_said_once_with_its_begin_and_first_error(
    health: ServerHealth, clock: Clock
) -> None:
    begin = clock.now
    health.failed(GONE)
    clock.now += timedelta(seconds=10)
    health.failed(ServerUnreachable("another"))
    assert health.is_to_be_said()
    assert not health.is_to_be_said()
    assert health.said is not None
    assert (health.said.since, health.said.error) == (begin, "UNAVAILABLE: gone")


def test_an_answer_ends_a_silence_and_tells_whether_it_had_been_said(
    health: ServerHealth, clock: Clock
) -> None:
    recoveries: list[bool] = []
    health.on_recovery(recoveries.append)
    health.answered()
    health.failed(GONE)
    health.answered()
    health.failed(GONE)
    clock.now += timedelta(seconds=11)
    health.is_to_be_said()
    health.answered()
    assert recoveries == [False, True]
    assert not health.is_silent
    assert health.said is None
