"""Many streams at once, some left by their callers: the ledger's counters are what was produced."""

import random
from concurrent.futures import ThreadPoolExecutor

from fluxrouter_testing.edge_world import Customer, EdgeWorld
from fluxrouter_testing.waiting import eventually

STREAMS = 120
TOKENS = 20
MODEL = "gpt-standard"
INPUT_NANO_USD, OUTPUT_NANO_USD = 2_000, 10_000


def read(customer: Customer, number: int) -> bool:
    """Reads a stream, or leaves it after a few events; returns whether it was read to its end."""
    chance = random.Random(number)
    leaves_after = chance.randint(1, 10) if chance.random() < 0.1 else None
    stream = customer.openai(max_retries=0).chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": f"[[simulate tokens={TOKENS} gap=0.02]]"}],
        stream=True,
    )
    for count, _ in enumerate(stream):
        if count == leaves_after:
            stream.close()
            return False
    return True


def test_of_many_streams_with_some_left_each_is_charged_for_what_was_produced(
    world: EdgeWorld,
) -> None:
    customer = world.customer()
    before = world.counts().get(f"tokens {MODEL}", 0)
    with ThreadPoolExecutor(20) as pool:
        whole = sum(pool.map(lambda number: read(customer, number), range(STREAMS)))
    eventually(lambda: customer.spend().held_nano_usd == 0, 20)
    assert 0 < STREAMS - whole < STREAMS // 4
    produced = world.counts()[f"tokens {MODEL}"] - before
    settled = customer.spend().settled_nano_usd
    # Input is estimated for those that were left, by the whole body in place of its text alone.
    inputs = (settled - produced * OUTPUT_NANO_USD) / INPUT_NANO_USD
    at_most = whole * 9 + (STREAMS - whole) * 60
    # An upstream's event may be under way to us when its reader leaves.
    under_way = (STREAMS - whole) * 2 * OUTPUT_NANO_USD / INPUT_NANO_USD
    assert whole * 9 - under_way <= inputs <= at_most
