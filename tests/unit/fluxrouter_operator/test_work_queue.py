import asyncio

import pytest

from fluxrouter_operator.observed import Key, Kind
from fluxrouter_operator.reconcile.work_queue import WorkQueue

A, B, C = (Key(Kind.ACCOUNT, "default", name) for name in "abc")


class Clock:
    """Seconds that a test moves on."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def queue(clock: Clock) -> WorkQueue:
    return WorkQueue(clock)


async def taken(queue: WorkQueue, most: int = 10) -> list[Key]:
    """What is given out at once; nothing where it would have to be waited for."""
    try:
        async with asyncio.timeout(0.01):
            return await queue.take(most)
    except TimeoutError:
        return []


async def test_a_key_is_given_out_once_however_often_it_was_added(queue: WorkQueue) -> None:
    queue.add_all([A, B, A])
    assert await taken(queue) == [A, B]
    assert await taken(queue) == []


async def test_no_more_are_given_out_than_asked_for(queue: WorkQueue) -> None:
    queue.add_all([A, B, C])
    assert await taken(queue, 2) == [A, B]
    assert await taken(queue, 2) == [C]


async def test_a_key_that_is_worked_on_comes_again_only_afterwards(queue: WorkQueue) -> None:
    queue.add(A)
    assert await taken(queue) == [A]
    queue.add(A)
    assert await taken(queue) == []
    queue.done(A)
    assert await taken(queue) == [A]


async def test_a_failed_key_comes_again_later_each_time(queue: WorkQueue, clock: Clock) -> None:
    queue.add(A)
    for pause in (0.1, 0.2, 0.4):
        assert await taken(queue) == [A]
        queue.failed(A)
        assert await taken(queue) == []
        clock.now += pause
    assert await taken(queue) == [A]


async def test_success_forgets_earlier_failures(queue: WorkQueue, clock: Clock) -> None:
    queue.add(A)
    await taken(queue)
    queue.failed(A)
    clock.now += 0.1
    await taken(queue)
    queue.done(A)
    queue.add(A)
    await taken(queue)
    queue.failed(A)
    clock.now += 0.1
    assert await taken(queue) == [A]


async def test_what_failed_can_be_hurried(queue: WorkQueue) -> None:
    queue.add(A)
    await taken(queue)
    queue.failed(A)
    queue.add_after(B, 60)
    queue.hurry()
    assert await taken(queue) == [A]


async def test_of_two_wishes_for_later_the_earlier_counts(queue: WorkQueue, clock: Clock) -> None:
    queue.add_after(A, 10)
    queue.add_after(A, 1)
    queue.add_after(A, 5)
    clock.now = 1
    assert await taken(queue) == [A]
    queue.done(A)
    clock.now = 20
    assert await taken(queue) == []


async def test_waiting_ends_when_something_comes(queue: WorkQueue) -> None:
    waiting = asyncio.create_task(queue.take(1))
    await asyncio.sleep(0)
    queue.add(A)
    assert await waiting == [A]


async def test_a_queue_is_idle_when_nothing_is_ready_or_busy(queue: WorkQueue) -> None:
    states = [queue.is_idle]
    queue.add(A)
    states.append(queue.is_idle)
    await taken(queue)
    states.append(queue.is_idle)
    queue.done(A)
    states.append(queue.is_idle)
    assert states == [True, False, False, True]
