import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fluxrouter_server.store.client import StoreClient
from fluxrouter_server.store.errors import (
    CommandNotSent,
    CommandRefused,
    StoreNotReady,
    StoreUnavailable,
    StoreUnsuitable,
)
from fluxrouter_server.store.scripts import ScriptInvalid, assemble, read_scripts
from fluxrouter_testing.valkey import ThrowawayValkey, running_valkey
from fluxrouter_testing.waiting import eventually_async

ECHO = assemble("echo", "#!lua\nreturn {KEYS[1], ARGV[1]}", {})
WRITE = assemble("write", "#!lua\nreturn redis.call('INCR', KEYS[1])", {})
WRITE_WHEN_FULL = assemble("settle", "#!lua flags=allow-oom\n" + WRITE.source[6:], {})
READY_AT_THE_THIRD_TRY = assemble(
    "patient",
    """#!lua
    if redis.call('INCR', KEYS[1]) < 3 then return redis.error_reply(ARGV[1] .. ' not now') end
    return 'done'""",
    {},
)
BREAKS_HALFWAY = assemble(
    "broken",
    "#!lua\nredis.call('SET', KEYS[1], '1')\n--- @include lib\n",
    {"lib": "\nerror('BAD')"},
)


@pytest.fixture
async def client(shared_valkey: ThrowawayValkey) -> AsyncIterator[StoreClient]:
    async with StoreClient(shared_valkey.address) as client:
        await client.wait_ready(5)
        yield client


async def test_a_command_is_answered(client: StoreClient) -> None:
    assert await client.execute("SET", "key", "value") == b"OK"
    assert await client.execute("GET", "key") == b"value"


async def test_a_script_gets_its_keys_and_arguments(client: StoreClient) -> None:
    assert await client.evaluate(ECHO, ["key"], [b"\x00\xff"]) == [b"key", b"\x00\xff"]


async def test_a_script_that_the_store_has_forgotten_is_loaded_again(client: StoreClient) -> None:
    await client.evaluate(WRITE, ["counter"], [])
    await client.execute("SCRIPT", "FLUSH")
    assert await client.evaluate(WRITE, ["counter"], []) == 2


async def test_concurrent_callers_of_a_forgotten_script_are_each_run_once(
    client: StoreClient,
) -> None:
    await client.execute("SCRIPT", "FLUSH")
    replies = await asyncio.gather(*(client.evaluate(WRITE, ["counter"], []) for _ in range(50)))
    assert sorted(map(str, replies)) == sorted(map(str, range(1, 51)))


async def test_all_scripts_are_known_to_the_store_from_the_first_call(
    shared_valkey: ThrowawayValkey, tmp_path: Path
) -> None:
    (tmp_path / "one.lua").write_text("#!lua\nreturn 1\n")
    (tmp_path / "two.lua").write_text("#!lua\nreturn 2\n")
    library = read_scripts(tmp_path)
    shared_valkey.command("SCRIPT", "FLUSH")
    async with StoreClient(shared_valkey.address, scripts=library) as client:
        await client.wait_ready(5)
    hashes = [script.sha for script in library.values()]
    assert shared_valkey.command("SCRIPT", "EXISTS", *hashes) == [1, 1]


async def test_a_script_that_does_not_compile_is_named_with_its_line(
    shared_valkey: ThrowawayValkey, tmp_path: Path
) -> None:
    (tmp_path / "wrong.lua").write_text("#!lua\n\nlocal = 1\n")
    async with StoreClient(shared_valkey.address, scripts=read_scripts(tmp_path)) as client:
        with pytest.raises(ScriptInvalid, match=r"script wrong: .* wrong\.lua:3: "):
            await client.wait_ready(5)


@pytest.mark.parametrize("code", ["TRYAGAIN", "ASK", "MOVED", "CLUSTERDOWN", "LOADING"])
async def test_what_was_not_executed_is_repeated_within_the_wait(
    client: StoreClient, code: str
) -> None:
    assert await client.evaluate(READY_AT_THE_THIRD_TRY, ["tries"], [code]) == b"done"


async def test_a_store_that_never_gets_ready_is_given_up_within_the_wait(
    client: StoreClient,
) -> None:
    await client.execute("SET", "tries", -1_000)
    async with asyncio.timeout(1):
        with pytest.raises(StoreNotReady) as failure:
            await client.evaluate(
                READY_AT_THE_THIRD_TRY, ["tries"], ["LOADING"], timeout_seconds=0.1
            )
    assert not failure.value.outcome_unknown


async def test_an_error_that_a_script_answers_carries_its_code_word(client: StoreClient) -> None:
    with pytest.raises(CommandRefused) as refusal:
        await client.evaluate(READY_AT_THE_THIRD_TRY, ["tries"], ["STALE"])
    assert refusal.value.code == "STALE"
    assert not refusal.value.inside_script


async def test_an_error_inside_a_script_names_the_file_and_is_not_repeated(
    client: StoreClient,
) -> None:
    with pytest.raises(CommandRefused, match=r"lib/lib\.lua:2") as refusal:
        await client.evaluate(BREAKS_HALFWAY, ["key"], [])
    assert refusal.value.inside_script


async def test_errors_of_callers_do_not_open_the_breaker(client: StoreClient) -> None:
    for _ in range(20):
        with pytest.raises(CommandRefused):
            await client.execute("NO-SUCH-COMMAND")
    assert client.is_available


async def test_each_call_of_a_batch_has_its_own_outcome(client: StoreClient) -> None:
    await client.execute("SET", "text", "not a number")
    calls = [(["a"], []), (["text"], []), (["a"], [])]
    first, second, third = await client.evaluate_each(WRITE, calls)
    assert (first, third) == (1, 2)
    assert isinstance(second, CommandRefused)


async def test_a_batch_survives_a_store_that_has_forgotten_the_script(client: StoreClient) -> None:
    await client.execute("SCRIPT", "FLUSH")
    outcomes = await client.evaluate_each(WRITE, [([f"key-{n}"], []) for n in range(20)])
    assert outcomes == [1] * 20


async def test_a_full_store_stops_admissions_and_lets_settlements_through(
    valkey: ThrowawayValkey,
) -> None:
    async with StoreClient(valkey.address) as client:
        await client.wait_ready(5)
        valkey.command("CONFIG", "SET", "maxmemory", 1)
        for _ in range(10):
            with pytest.raises(StoreNotReady, match="raise maxmemory"):
                await client.evaluate(WRITE, ["key"], [])
        assert await client.evaluate(WRITE_WHEN_FULL, ["key"], []) == 1


async def test_a_store_that_turns_into_a_replica_is_left_until_it_is_primary_again(
    valkey: ThrowawayValkey,
) -> None:
    async with StoreClient(valkey.address) as client:
        await client.wait_ready(5)
        valkey.command("REPLICAOF", "127.0.0.1", 1)
        with pytest.raises(StoreNotReady, match="the URL must lead to the primary"):
            await client.evaluate(WRITE, ["key"], [])
        await eventually_async(lambda: not client.is_available)
        valkey.command("REPLICAOF", "NO", "ONE")
        await eventually_async(lambda: client.is_available)
        assert await client.evaluate(WRITE, ["key"], []) == 1


@pytest.mark.parametrize(
    "config,remedy",
    [
        ({"maxmemory-policy": "allkeys-lru"}, "CONFIG SET maxmemory-policy noeviction"),
        ({"replicaof": "127.0.0.1 1"}, "let the URL lead to the primary"),
        ({"cluster-enabled": "yes"}, r"write valkey\+cluster://host:port"),
    ],
)
async def test_a_store_that_must_not_be_used_is_refused_with_the_remedy(
    config: dict[str, str], remedy: str
) -> None:
    with running_valkey(config=config, with_tcp=True) as server:
        async with StoreClient(server.address) as client:
            with pytest.raises(StoreUnsuitable, match=remedy):
                await client.wait_ready(5)
            assert not client.is_available


async def test_a_store_is_used_as_soon_as_its_configuration_is_mended(
    valkey: ThrowawayValkey,
) -> None:
    valkey.command("CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    async with StoreClient(valkey.address) as client:
        with pytest.raises(StoreUnsuitable):
            await client.wait_ready(5)
        valkey.command("CONFIG", "SET", "maxmemory-policy", "noeviction")
        await client.wait_ready(5)
        assert await client.execute("PING") == b"PONG"


async def test_a_client_that_was_never_started_says_so_within_the_wait(
    shared_valkey: ThrowawayValkey,
) -> None:
    client = StoreClient(shared_valkey.address)
    with pytest.raises(CommandNotSent, match="not connected"):
        await client.execute("PING", timeout_seconds=0.02)


async def test_calls_that_wait_when_the_client_ends_are_told(valkey: ThrowawayValkey) -> None:
    async with StoreClient(valkey.address) as client:
        await client.wait_ready(5)
        valkey.pause()
        call = asyncio.create_task(client.execute("PING", timeout_seconds=30))
        await asyncio.sleep(0)
    with pytest.raises(StoreUnavailable):
        await call
