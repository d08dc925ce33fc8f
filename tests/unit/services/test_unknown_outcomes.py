import asyncio
from dataclasses import replace

import pytest

from fluxrouter_server.domain.ids import RequestId
from fluxrouter_server.domain.requests import RouteQuery
from fluxrouter_server.services.callers import LOCAL
from fluxrouter_server.services.ports.errors import StoreUnavailable
from fluxrouter_server.services.ports.telemetry import Counter
from fluxrouter_testing.use_cases import BY_NAME, UseCases
from fluxrouter_testing.waiting import eventually_async

QUERY = RouteQuery(model="fast-1", request_id=RequestId("r-1"), input_tokens=10)
NO_ANSWER = StoreUnavailable("no answer in time", outcome_unknown=True)
NOT_SENT = StoreUnavailable("not connected", outcome_unknown=False)


async def route(world: UseCases, request_id: str = "r-1") -> None:
    query = replace(QUERY, request_id=RequestId(request_id))
    await world.route.route(query, BY_NAME, LOCAL, time_left_us=None)


async def route_without_answer(world: UseCases, request_id: str = "r-1") -> None:
    world.holds.failures = [(NO_ANSWER, True)]
    with pytest.raises(StoreUnavailable):
        await route(world, request_id)


async def test_a_hold_whose_answer_was_lost_is_given_back(world: UseCases) -> None:
    await route_without_answer(world)
    assert world.holds.calls
    await world.unknown.undo_pending()
    assert not world.holds.calls


async def test_an_admission_that_is_late_does_not_come_to_life(world: UseCases) -> None:
    world.holds.failures = [(NO_ANSWER, False)]
    with pytest.raises(StoreUnavailable):
        await route(world)
    await world.unknown.undo_pending()
    await world.holds.admit(world.holds.commands[-1])
    assert not world.holds.calls


async def test_what_the_callers_retry_was_given_stays(world: UseCases) -> None:
    world.holds.failures = [(NO_ANSWER, False)]
    with pytest.raises(StoreUnavailable):
        await route(world)
    await route(world)
    await world.unknown.undo_pending()
    assert (QUERY.request_id, 1) in world.holds.calls


async def test_the_hold_of_a_caller_that_went_away_is_given_back(world: UseCases) -> None:
    world.holds.failures = [(asyncio.CancelledError(), True)]
    with pytest.raises(asyncio.CancelledError):
        await route(world)
    await world.unknown.undo_pending()
    assert not world.holds.calls


async def test_a_call_that_was_never_sent_needs_no_undoing(world: UseCases) -> None:
    world.holds.failures = [(NOT_SENT, False)]
    with pytest.raises(StoreUnavailable):
        await route(world)
    assert len(world.unknown) == 0


async def test_undoing_goes_on_until_the_store_acknowledges(world: UseCases) -> None:
    await route_without_answer(world)
    world.holds.failures = [(NO_ANSWER, False)]
    assert not await world.unknown.undo_pending()
    assert await world.unknown.undo_pending()
    assert not world.holds.calls


async def test_what_does_not_fit_is_counted_as_dropped(world: UseCases) -> None:
    for number in range(3):
        await route_without_answer(world, f"r-{number}")
    assert len(world.unknown) == 2
    assert world.counts.totals[Counter.UNKNOWN_OUTCOMES_DROPPED] == 1


async def test_it_is_undone_in_the_background(world: UseCases) -> None:
    world.unknown.start()
    await route_without_answer(world)
    await eventually_async(lambda: not world.holds.calls)
    await world.unknown.stop(grace_seconds=1)


async def test_a_stop_waits_for_what_can_still_be_undone(world: UseCases) -> None:
    await route_without_answer(world)
    world.unknown.start()
    await world.unknown.stop(grace_seconds=5)
    assert not world.holds.calls


async def test_a_stop_does_not_wait_for_ever(world: UseCases) -> None:
    await route_without_answer(world)
    world.holds.failures = [(NO_ANSWER, False)] * 100
    world.unknown.start()
    await world.unknown.stop(grace_seconds=0.01)
    assert len(world.unknown) == 1
