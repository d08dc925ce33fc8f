"""Answers that take longer than their holds would live, on the store's own clock."""

from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from time import monotonic

import pytest

from fluxrouter_testing.customers import plan
from fluxrouter_testing.edge_world import EdgeWorld, edge_world
from fluxrouter_testing.waiting import eventually

MODEL = "llama-3.1-8b"
LIFE_SECONDS = 3
ANSWER_SECONDS = 8


@pytest.fixture(scope="module")
def real() -> Iterator[EdgeWorld]:
    """A server on the store's own clock."""
    with edge_world(start_us=None) as started:
        started.apply(plan("short-lived", "1.00", expiry_seconds=LIFE_SECONDS))
        yield started


@pytest.mark.parametrize("is_stream", [False, True])
def test_an_upstream_slower_than_the_holds_expiry_is_charged_for_what_it_used(
    real: EdgeWorld, is_stream: bool
) -> None:
    customer = real.customer("short-lived")
    slow = f"gap={ANSWER_SECONDS / 10}" if is_stream else f"delay={ANSWER_SECONDS}"
    body = {"stream": True} if is_stream else {}
    begun = monotonic()
    with ThreadPoolExecutor(1) as pool:
        asked = pool.submit(
            customer.chat, f"Hello [[simulate {slow} tokens=10]]", model=MODEL, **body
        )
        eventually(lambda: customer.spend().held_nano_usd > 0, 10)
        held = customer.spend().held_nano_usd
        while not asked.done():
            spend = customer.spend()
            # An expiry would have charged all that was held.
            assert spend.settled_nano_usd < held / 2
            assert spend.held_nano_usd == held or monotonic() > begun + ANSWER_SECONDS - 1
    assert asked.result().status == 200
    assert monotonic() - begun > 2 * LIFE_SECONDS
    assert customer.spend().held_nano_usd == 0
    assert 10 * 4000 < customer.spend().settled_nano_usd < 10 * 4000 + 60 * 1000
