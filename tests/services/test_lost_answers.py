"""No hold is left from a call that was told UNAVAILABLE."""

from collections.abc import AsyncIterator, Awaitable, Callable

import pytest

from fluxrouter_server.domain.requests import RouteQuery
from fluxrouter_server.services.callers import LOCAL
from fluxrouter_server.services.cap_service import Spend
from fluxrouter_server.services.ports.errors import StoreUnavailable
from fluxrouter_testing.replicas import Replicas, replicas
from fluxrouter_testing.use_cases import BY_NAME
from fluxrouter_testing.valkey import ThrowawayValkey
from fluxrouter_testing.waiting import eventually_async

QUERY = RouteQuery(model="fast-1", input_tokens=10, max_output_tokens=10)


@pytest.fixture
async def impatient(valkey: ThrowawayValkey) -> AsyncIterator[Replicas]:
    async with replicas(valkey, decision_seconds=0.2) as made:
        await made.here.caps.get_spend(BY_NAME, LOCAL)  # so that nothing has to be read any more
        yield made


async def until(predicate: Callable[[], Awaitable[bool]]) -> None:
    async def is_so() -> bool:
        try:
            return await predicate()
        except StoreUnavailable:  # it has not recovered yet
            return False

    await eventually_async(is_so)


async def in_flight(both: Replicas) -> int:
    spend = await both.there.caps.get_spend(BY_NAME, LOCAL)
    assert isinstance(spend, Spend)
    return spend.reading.in_flight


async def test_a_hold_that_a_hung_store_made_later_is_given_back(
    impatient: Replicas, valkey: ThrowawayValkey
) -> None:
    here = impatient.here
    valkey.pause()
    try:
        with pytest.raises(StoreUnavailable) as raised:
            await here.route.route(QUERY, BY_NAME, LOCAL, time_left_us=None)
    finally:
        valkey.resume()
    assert raised.value.outcome_unknown

    async def is_made() -> bool:
        return await in_flight(impatient) == 1

    await until(is_made)
    await until(here.unknown.undo_pending)
    assert await in_flight(impatient) == 0


async def test_decisions_go_on_by_themselves_after_a_hang(
    impatient: Replicas, valkey: ThrowawayValkey
) -> None:
    valkey.pause()
    try:
        with pytest.raises(StoreUnavailable):
            await impatient.here.route.route(QUERY, BY_NAME, LOCAL, time_left_us=None)
    finally:
        valkey.resume()

    async def is_decided() -> bool:
        await impatient.here.route.route(QUERY, BY_NAME, LOCAL, time_left_us=None)
        return True

    await until(is_decided)
