import asyncio

import pytest

from fluxrouter_server.store.connection import open_connection
from fluxrouter_server.store.errors import CommandNotSent, CommandOutcomeUnknown
from fluxrouter_testing.valkey import ThrowawayValkey
from fluxrouter_testing.waiting import eventually_async


async def test_calls_in_flight_when_the_store_dies_have_an_unknown_outcome(
    valkey: ThrowawayValkey,
) -> None:
    connection = await open_connection(valkey.address)
    valkey.pause()
    calls = [connection.call(("INCR", "counter")) for _ in range(10)]
    await eventually_async(lambda: not connection.unsent())
    valkey.kill()
    failures = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(failure) for failure in failures] == [CommandOutcomeUnknown] * 10


async def test_calls_that_had_not_left_when_the_store_died_are_told_so(
    valkey: ThrowawayValkey,
) -> None:
    connection = await open_connection(valkey.address)
    call = connection.call(("PING",))
    connection.abort()  # in the same turn: nothing has been written yet
    with pytest.raises(CommandNotSent) as failure:
        await call
    assert not failure.value.outcome_unknown
    assert failure.value.may_repeat


async def test_what_is_called_not_sent_was_never_executed(valkey: ThrowawayValkey) -> None:
    """The store reads nothing, so its socket fills up; then it runs what it got after all."""
    connection = await open_connection(valkey.address)
    valkey.pause()
    calls = []
    for n in range(400):
        calls.append(connection.call(("SET", f"key-{n}", b"x" * 20_000)))
        await asyncio.sleep(0)
    connection.abort()
    failures = await asyncio.gather(*calls, return_exceptions=True)
    not_sent = {n for n, failure in enumerate(failures) if isinstance(failure, CommandNotSent)}
    valkey.resume()
    await eventually_async(lambda: int(str(valkey.command("DBSIZE"))) > 0)
    executed = {n for n in range(400) if valkey.command("EXISTS", f"key-{n}")}
    assert not_sent
    assert executed
    assert not executed & not_sent


async def test_what_was_held_back_is_sent_in_order_once_the_store_reads_again(
    valkey: ThrowawayValkey,
) -> None:
    connection = await open_connection(valkey.address)
    valkey.pause()
    calls = []
    for n in range(200):
        calls.append(connection.call(("APPEND", "log", f"{n};".ljust(20_000))))
        await asyncio.sleep(0)
    assert connection.unsent()
    valkey.resume()
    assert await asyncio.gather(*calls) == [20_000 * n for n in range(1, 201)]
    connection.abort()


async def test_the_owner_hears_of_the_end_once(valkey: ThrowawayValkey) -> None:
    ends: list[str] = []
    connection = await open_connection(valkey.address, on_lost=lambda: ends.append("lost"))
    valkey.kill()
    await eventually_async(lambda: connection.is_closed)
    connection.abort()
    assert ends == ["lost"]


async def test_nobody_listening_is_said_at_once(valkey: ThrowawayValkey) -> None:
    valkey.kill()
    with pytest.raises(ConnectionRefusedError):
        await open_connection(valkey.address)
