"""A caller who does not read: what is sent to it waits, and what it reads later is whole."""

import json
import socket

from fluxrouter_testing.edge_world import EdgeWorld
from fluxrouter_testing.waiting import eventually

MODEL = "deepseek-r1"
TOKENS = 32_000
OUTPUT_NANO_USD = 20_000


def test_a_slow_reader_is_waited_for_and_charged_for_what_it_was_sent(world: EdgeWorld) -> None:
    customer = world.customer()
    fields = {
        "model": MODEL,
        "stream": True,
        "max_tokens": TOKENS,
        "messages": [{"role": "user", "content": f"[[simulate tokens={TOKENS} count=unread]]"}],
    }
    body = json.dumps(fields).encode()
    head = (
        "POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
        f"authorization: Bearer {customer.key}\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    with socket.socket() as connection:
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 64 * 1024)
        connection.connect(world.address)
        connection.sendall(head.encode() + body)
        eventually(lambda: world.counts().get("tokens unread") == TOKENS, 30)
        # All of it was produced, most of it waits here: the answer has not ended, nor has its hold.
        assert customer.spend().held_nano_usd > 0
        assert customer.spend().settled_nano_usd == 0
        answer = b""
        while not answer.endswith(b"0\r\n\r\n"):
            piece = connection.recv(1024 * 1024)
            assert piece, answer[-500:]
            answer = answer[-1000:] + piece
    assert b"data: [DONE]" in answer
    eventually(lambda: customer.spend().held_nano_usd == 0, 20)
    rest = customer.spend().settled_nano_usd - TOKENS * OUTPUT_NANO_USD
    assert 0 < rest < 100 * 4_000
