import asyncio
import time
from collections.abc import AsyncIterator

import pytest

from fluxrouter_server.store.client import StoreClient
from fluxrouter_server.store.errors import StoreUnavailable
from fluxrouter_server.store.scripts import assemble
from fluxrouter_testing.valkey import ThrowawayValkey
from fluxrouter_testing.waiting import eventually_async

INCREMENT = assemble("increment", "#!lua\nreturn redis.call('INCR', KEYS[1])", {})
RECOVERY_SECONDS = 2.0
"""A second is promised; the other one is for a busy machine."""


@pytest.fixture
async def client(durable_valkey: ThrowawayValkey) -> AsyncIterator[StoreClient]:
    async with StoreClient(durable_valkey.address) as client:
        await client.wait_ready(5)
        yield client


async def attempt(client: StoreClient, key: str = "counter") -> tuple[float, Exception | None]:
    """Makes one call; returns how long it took and how it failed."""
    started = time.monotonic()
    try:
        await client.evaluate(INCREMENT, [key], [])
    except StoreUnavailable as failure:
        return time.monotonic() - started, failure
    return time.monotonic() - started, None


async def test_a_hung_store_costs_no_caller_more_than_the_bound(
    client: StoreClient, durable_valkey: ThrowawayValkey
) -> None:
    durable_valkey.pause()
    attempts = await asyncio.gather(*(attempt(client) for _ in range(200)))
    assert max(seconds for seconds, _ in attempts) < 0.25
    assert all(isinstance(failure, StoreUnavailable) for _, failure in attempts)
    assert all(getattr(failure, "outcome_unknown", False) for _, failure in attempts)


async def test_once_the_breaker_is_open_callers_are_told_at_once(
    client: StoreClient, durable_valkey: ThrowawayValkey
) -> None:
    durable_valkey.pause()
    await asyncio.gather(*(attempt(client) for _ in range(10)))
    seconds, failure = await attempt(client)
    assert isinstance(failure, StoreUnavailable)
    assert not failure.outcome_unknown
    assert seconds < 0.05


async def test_a_store_that_goes_on_is_used_again_without_help(
    client: StoreClient, durable_valkey: ThrowawayValkey
) -> None:
    durable_valkey.pause()
    await asyncio.gather(*(attempt(client) for _ in range(10)))
    durable_valkey.resume()
    await eventually_async(lambda: client.is_available, RECOVERY_SECONDS)
    assert (await attempt(client))[1] is None


async def test_a_store_that_hung_through_probes_and_reconnects_is_used_again(
    client: StoreClient, durable_valkey: ThrowawayValkey
) -> None:
    durable_valkey.pause()
    await asyncio.gather(*(attempt(client) for _ in range(10)))
    await eventually_async(lambda: client.last_error is not None)
    durable_valkey.resume()
    await eventually_async(lambda: client.is_available, RECOVERY_SECONDS)
    assert (await attempt(client))[1] is None


async def test_an_idle_client_finds_out_that_its_store_hangs(
    client: StoreClient, durable_valkey: ThrowawayValkey
) -> None:
    durable_valkey.pause()
    await eventually_async(lambda: not client.is_available)


async def test_a_store_that_was_killed_and_came_back_is_used_again_with_its_data(
    client: StoreClient, durable_valkey: ThrowawayValkey
) -> None:
    await attempt(client)
    durable_valkey.kill()
    await eventually_async(lambda: not client.is_available)
    durable_valkey.start()
    await eventually_async(lambda: client.is_available, RECOVERY_SECONDS)
    assert await client.evaluate(INCREMENT, ["counter"], []) == 2


async def test_nothing_acknowledged_is_lost_and_nothing_is_executed_twice(
    client: StoreClient, durable_valkey: ThrowawayValkey
) -> None:
    """Each call has a key of its own; the store is killed in the middle of them."""
    calls = [asyncio.create_task(attempt(client, f"key-{n}")) for n in range(400)]
    await eventually_async(lambda: any(call.done() for call in calls))
    durable_valkey.kill()
    calls += [asyncio.create_task(attempt(client, f"key-{n}")) for n in range(400, 800)]
    failures = [failure for _, failure in await asyncio.gather(*calls)]
    durable_valkey.start()
    for n, failure in enumerate(failures):
        value = durable_valkey.command("GET", f"key-{n}")
        if failure is None:
            assert value == b"1"
        elif getattr(failure, "outcome_unknown", False):
            assert value in (None, b"1")
        else:
            assert value is None


async def test_a_short_absence_is_bridged_within_the_wait(
    client: StoreClient, durable_valkey: ThrowawayValkey
) -> None:
    durable_valkey.kill()
    await eventually_async(lambda: not client.is_available)
    calls = [
        asyncio.create_task(client.evaluate(INCREMENT, ["counter"], [], timeout_seconds=5))
        for _ in range(20)
    ]
    await asyncio.sleep(0)  # the turn in which they find no connection
    durable_valkey.start()
    assert sorted(map(str, await asyncio.gather(*calls))) == sorted(map(str, range(1, 21)))


async def test_one_caller_may_wait_less_than_the_others(
    client: StoreClient, durable_valkey: ThrowawayValkey
) -> None:
    durable_valkey.pause()
    patient = asyncio.create_task(client.execute("PING", timeout_seconds=30))
    started = time.monotonic()
    with pytest.raises(StoreUnavailable):
        await client.execute("PING", timeout_seconds=0.03)
    assert time.monotonic() - started < 0.15
    assert not patient.done()
    durable_valkey.resume()
    assert await patient == b"PONG"


async def test_a_caller_that_goes_away_leaves_nothing_behind(client: StoreClient) -> None:
    calls = [asyncio.create_task(client.evaluate(INCREMENT, ["counter"], [])) for _ in range(5)]
    await asyncio.sleep(0)
    for call in calls:
        call.cancel()
    await asyncio.wait(calls)
    assert all(call.cancelled() for call in calls)
    assert await client.execute("PING") == b"PONG"
