"""The process that serves an answer dies in its middle: the hold ends by its own rule, once."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest

from fluxrouter_testing.edge_world import EdgeWorld, edge_world
from fluxrouter_testing.waiting import eventually

MODEL = "llama-3.1-8b"


@pytest.fixture
def dying() -> Iterator[EdgeWorld]:
    """A server of this test alone."""
    with edge_world() as started:
        yield started


def workers(pid: int) -> list[int]:
    """The Envoy processes that a server has started."""
    tasks = Path(f"/proc/{pid}/task").iterdir()
    children = [c for t in tasks for c in (t / "children").read_text(encoding="ascii").split()]
    return [int(c) for c in children if b"envoy" in Path(f"/proc/{c}/cmdline").read_bytes()]


def is_served(world: EdgeWorld) -> bool:
    try:
        return world.ask("GET", "/v1/models").status == 401
    except OSError:
        return False


def test_a_worker_that_is_killed_leaves_no_hold_and_is_replaced(dying: EdgeWorld) -> None:
    customer = dying.customer()
    stream = customer.openai(max_retries=0).chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "[[simulate tokens=1000 gap=0.05]]"}],
        stream=True,
    )
    next(stream)
    held = customer.spend().held_nano_usd
    assert held > 0
    for worker in workers(dying.pid):
        os.kill(worker, signal.SIGKILL)
    with pytest.raises(openai.APIConnectionError):
        list(stream)
    eventually(lambda: is_served(dying), 20)
    assert customer.spend().held_nano_usd == held
    dying.clock.advance(121)  # holds live for two minutes, and expire to the seller's side
    eventually(lambda: customer.spend().held_nano_usd == 0, 15)
    assert customer.spend().settled_nano_usd == held
    assert customer.chat("Hello", model=MODEL).status == 200


def test_a_server_that_is_told_to_end_finishes_its_answers_first(dying: EdgeWorld) -> None:
    customer = dying.customer()
    stream = customer.openai(max_retries=0).chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": "[[simulate tokens=30 gap=0.1]]"}],
        stream=True,
    )
    pieces = [next(stream)]
    os.kill(dying.pid, signal.SIGTERM)
    pieces += list(stream)
    assert sum(bool(piece.choices and piece.choices[0].delta.content) for piece in pieces) == 30
    assert pieces[-1].choices[0].finish_reason == "stop"
