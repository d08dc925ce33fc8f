import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from fluxrouter_server.store.addresses import StoreAddress
from fluxrouter_server.store.connection import StoreConnection, open_connection
from fluxrouter_server.store.errors import CommandNotSent, CommandOutcomeUnknown, StoreUnsuitable
from fluxrouter_server.store.replies import ErrorReply
from fluxrouter_server.store.suitability import parse_info
from fluxrouter_testing.valkey import ThrowawayValkey, running_valkey


@pytest.fixture
async def connection(shared_valkey: ThrowawayValkey) -> AsyncIterator[StoreConnection]:
    connection = await open_connection(shared_valkey.address)
    yield connection
    connection.abort()


def reads_of(server: ThrowawayValkey) -> int:
    info = server.command("INFO", "stats")
    assert isinstance(info, bytes)
    return int(parse_info(info)["total_reads_processed"])


async def test_replies_come_back_in_the_order_of_the_commands(connection: StoreConnection) -> None:
    calls = [connection.call(("ECHO", f"call {n}")) for n in range(2_000)]
    assert await asyncio.gather(*calls) == [f"call {n}".encode() for n in range(2_000)]


async def test_commands_of_one_turn_of_the_loop_leave_together(
    shared_valkey: ThrowawayValkey,
) -> None:
    connection = await open_connection(shared_valkey.address)
    before = reads_of(shared_valkey)
    await asyncio.gather(*(connection.call(("PING",)) for _ in range(200)))
    # Counted too: asking for the number, and the ends of other tests' connections.
    assert reads_of(shared_valkey) - before < 20
    connection.abort()


async def test_commands_wait_for_the_reply_to_what_left_before_and_then_leave_together(
    connection: StoreConnection,
) -> None:
    first = connection.call(("ECHO", "first"))
    await asyncio.sleep(0)  # it has left
    later = []
    for n in range(20):
        later.append(connection.call(("ECHO", f"{n}")))
        await asyncio.sleep(0)
        if first.done():
            break
        assert connection.unsent() == set(later)
    assert await asyncio.gather(first, *later) == [
        b"first",
        *(b"%d" % n for n in range(len(later))),
    ]


@pytest.mark.parametrize(
    "command,reply",
    [
        (("SET", "key", b"\x00\xff\r\n"), b"OK"),
        (("INCRBY", "counter", 2**53 - 1), 2**53 - 1),
        (("GET", "absent"), None),
        (("ECHO", "Grüße"), "Grüße".encode()),
        (("EVAL", "return {1, {'two', false}, {}}", 0), [1, [b"two", None], []]),
    ],
)
async def test_every_kind_of_reply_arrives_as_it_was_sent(
    connection: StoreConnection, command: tuple[str | bytes | int, ...], reply: object
) -> None:
    assert await connection.call(command) == reply


async def test_an_error_meets_its_own_call_alone(connection: StoreConnection) -> None:
    before, wrong, after = (
        connection.call(("PING",)),
        connection.call(("NO-SUCH-COMMAND",)),
        connection.call(("PING",)),
    )
    with pytest.raises(ErrorReply, match="unknown command"):
        await wrong
    assert [await before, await after] == [b"PONG", b"PONG"]


async def test_a_call_that_is_cancelled_in_the_same_turn_is_never_sent(
    connection: StoreConnection,
) -> None:
    connection.call(("SET", "key", "cancelled")).cancel()
    assert await connection.call(("GET", "key")) is None


async def test_the_reply_of_a_caller_that_gave_up_reaches_nobody_else(
    connection: StoreConnection,
) -> None:
    given_up = connection.call(("ECHO", "late"))
    following = connection.call(("ECHO", "mine"))
    await asyncio.sleep(0)  # the turn in which both leave
    given_up.cancel()
    assert await following == b"mine"


async def test_more_calls_than_the_bound_are_refused_and_nothing_else_breaks(
    shared_valkey: ThrowawayValkey,
) -> None:
    connection = await open_connection(shared_valkey.address, max_pending=3)
    waiting = [connection.call(("PING",)) for _ in range(3)]
    with pytest.raises(CommandNotSent, match="the bounds are 3 calls") as refusal:
        connection.call(("PING",))
    assert not refusal.value.is_outage
    assert await asyncio.gather(*waiting) == [b"PONG"] * 3
    assert await connection.call(("PING",)) == b"PONG"
    connection.abort()


async def test_a_command_above_the_byte_bound_is_refused(shared_valkey: ThrowawayValkey) -> None:
    connection = await open_connection(shared_valkey.address, max_unsent_bytes=1_000)
    with pytest.raises(CommandNotSent, match="and 1000 bytes"):
        connection.call(("SET", "key", b"x" * 1_000))
    assert await connection.call(("GET", "key")) is None
    connection.abort()


async def test_a_command_of_many_megabytes_passes_within_the_bound(
    connection: StoreConnection,
) -> None:
    value = b"x" * 8_000_000
    await connection.call(("SET", "key", value))
    assert await connection.call(("GET", "key")) == value


async def test_a_closed_connection_takes_no_call(connection: StoreConnection) -> None:
    connection.abort()
    with pytest.raises(CommandNotSent):
        connection.call(("PING",))


async def test_a_peer_that_is_no_store_is_dropped_and_its_callers_told() -> None:
    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(answer, "127.0.0.1", 0) as server:
        host, port = server.sockets[0].getsockname()
        connection = await open_connection(StoreAddress(host=host, port=port))
        with pytest.raises(CommandOutcomeUnknown, match="no reply to a command"):
            await connection.call(("PING",))
        assert connection.is_closed


async def test_tcp_works_with_a_password() -> None:
    with running_valkey(with_tcp=True, config={"requirepass": "secret"}) as server:
        connection = await open_connection(server.tcp_address)
        assert await connection.call(("PING",)) == b"PONG"
        connection.abort()


async def test_an_acl_user_is_who_it_says(valkey: ThrowawayValkey) -> None:
    valkey.command("ACL", "SETUSER", "flux", "on", ">secret", "+@all", "~*")
    address = replace(valkey.address, username="flux", password="secret")
    connection = await open_connection(address)
    assert await connection.call(("ACL", "WHOAMI")) == b"flux"
    connection.abort()


async def test_a_wrong_password_is_refused_with_the_remedy_and_not_shown(
    valkey: ThrowawayValkey,
) -> None:
    valkey.command("CONFIG", "SET", "requirepass", "right")
    with pytest.raises(StoreUnsuitable) as refusal:
        await open_connection(replace(valkey.address, password="wrong-secret"))
    assert "password in the store's URL is wrong" in str(refusal.value)
    assert "wrong-secret" not in str(refusal.value)
