"""Hundreds of streams at once, some left by their callers: the ledger is what was produced."""

import asyncio
import json
import random
from collections.abc import Iterator

import pytest

from fluxrouter_testing.edge_world import Customer, EdgeWorld, edge_world
from fluxrouter_testing.waiting import eventually

STREAMS = 500
LEFT_OF_TEN = 1
TOKENS = 20
PLAN = "scale"
MODEL = "gpt-standard"
_SECONDS = 50.0


@pytest.fixture
def kept() -> Iterator[EdgeWorld]:
    """A server of this test alone, which keeps a ledger."""
    with edge_world(with_ledger=True) as started:
        yield started


def request(customer: Customer, leaves_after: int | None) -> bytes:
    """What to send; nothing more comes than what is read before a departure."""
    direction = f"tokens={TOKENS} gap=0.05 count=many"
    if leaves_after is not None:
        direction += f" stall={leaves_after}"
    body = json.dumps(
        {
            "model": MODEL,
            "stream": True,
            "max_tokens": 50,
            "messages": [{"role": "user", "content": f"[[simulate {direction}]]"}],
        }
    ).encode()
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\nconnection: close\r\n"
        f"authorization: Bearer {customer.key}\r\ncontent-type: application/json\r\n"
        f"content-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def read(customer: Customer, leaves_after: int | None) -> None:
    """Reads a stream to its end, or leaves it after so many events; asks again while told to."""
    while True:
        reader, writer = await asyncio.open_connection(*customer.world.address)
        writer.write(request(customer, leaves_after))
        answer = b""
        while leaves_after is None or answer.count(b'"content":"') < leaves_after:
            piece = await reader.read(65536)
            if not piece:
                break
            answer += piece
        writer.transport.abort()
        if not answer.startswith(b"HTTP/1.1 503 "):
            break
        await asyncio.sleep(1)  # as `retry-after` says: all at once is more than the store decides
    assert answer.startswith(b"HTTP/1.1 200 "), answer[:500]
    assert leaves_after is not None or b"data: [DONE]" in answer


async def read_all(customer: Customer) -> None:
    chance = random.Random(1)
    departures = [
        chance.randint(1, TOKENS - 1) if number % 10 < LEFT_OF_TEN else None
        for number in range(STREAMS)
    ]
    chance.shuffle(departures)
    async with asyncio.timeout(_SECONDS):
        await asyncio.gather(*(read(customer, one) for one in departures))


@pytest.mark.timeout(120)
def test_of_500_streams_with_a_tenth_left_the_ledger_is_what_was_produced(kept: EdgeWorld) -> None:
    customer = kept.customer(PLAN)
    asyncio.run(read_all(customer))
    eventually(lambda: customer.spend().held_nano_usd == 0, 30)
    produced = kept.counts()["tokens many"]
    assert kept.counts()["requests many"] == STREAMS
    assert STREAMS * TOKENS * 0.9 < produced < STREAMS * TOKENS
    settled = customer.spend().settled_nano_usd
    eventually(lambda: customer.usage().billed_nano_usd == settled, 30)
    assert customer.usage().output_tokens == produced
