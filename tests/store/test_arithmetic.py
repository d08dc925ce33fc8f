"""The scripts' arithmetic gives what the domain's gives, to the last nano-USD."""

from collections.abc import Iterator
from importlib.resources import files

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fluxrouter_server.domain.holds import Candidate
from fluxrouter_server.domain.pricing import (
    MAX_RATE_NANO_USD,
    MAX_TOKENS,
    Rates,
    Usage,
    cost_nano_usd,
    largest_output_within,
    worst_case_nano_usd,
)
from fluxrouter_server.store.hold_records import pack_offer
from fluxrouter_server.store.scripts import Script, assemble
from fluxrouter_testing.blocking_store import BlockingClient, finish
from fluxrouter_testing.hold_documents import candidate
from fluxrouter_testing.valkey import ThrowawayValkey

EXACT = 2**53

tokens = st.integers(0, MAX_TOKENS)
rate = st.one_of(st.integers(0, MAX_RATE_NANO_USD), st.integers(0, 3_000_000))
amount = st.one_of(
    st.integers(0, EXACT), st.integers(EXACT - 3, EXACT), st.integers(0, 10_000_000_000)
)
rates = st.builds(Rates, rate, rate, rate, rate)
offers = st.integers(1, 128).flatmap(
    lambda choices: st.builds(
        candidate,
        input_tokens=tokens,
        output_tokens=st.integers(0, MAX_TOKENS // choices),
        choices=st.just(choices),
        rates=rates,
    )
)
SOURCES = {
    "price": "local t = {} for i = 1, 8 do t[i] = tonumber(ARGV[i]) end return price(unpack(t))",
    "worst": "return worst_case(cmsgpack.unpack(ARGV[1]), tonumber(ARGV[2]))",
    "largest": "return largest_output(cmsgpack.unpack(ARGV[1]), tonumber(ARGV[2]))",
}


def script(name: str) -> Script:
    library = files("fluxrouter_server.store").joinpath("lua", "lib", "arith.lua").read_text()
    return assemble(name, f"#!lua\n--- @include arith\n{SOURCES[name]}\n", {"arith": library})


PRICE, WORST, LARGEST = map(script, SOURCES)


@pytest.fixture(scope="module")
def client(shared_valkey_process: ThrowawayValkey) -> Iterator[BlockingClient]:
    client = BlockingClient(shared_valkey_process)
    yield client
    client.close()


def run(client: BlockingClient, script: Script, *args: int | bytes) -> int:
    reply = finish(client.evaluate(script, (), args))
    assert isinstance(reply, int)
    return reply


@given(usage=st.builds(Usage, tokens, tokens, tokens, tokens), rates=rates)
@example(
    usage=Usage(MAX_TOKENS, MAX_TOKENS, MAX_TOKENS, MAX_TOKENS),
    rates=Rates(*[MAX_RATE_NANO_USD] * 4),
)
@example(
    usage=Usage(MAX_TOKENS, MAX_TOKENS, MAX_TOKENS, MAX_TOKENS),
    rates=Rates(*[MAX_RATE_NANO_USD - 1] * 4),
)
@example(usage=Usage(1, 0, 0, 0), rates=Rates(1, 0, 0, 0))
def test_a_cost_is_the_same_in_lua_and_in_python(
    client: BlockingClient, usage: Usage, rates: Rates
) -> None:
    found = run(
        client,
        PRICE,
        *(usage.input_tokens, rates.input_nano_usd),
        *(usage.cached_input_tokens, rates.cached_input_nano_usd),
        *(usage.cache_write_tokens, rates.cache_write_nano_usd),
        *(usage.output_tokens, rates.output_nano_usd),
    )
    assert found == cost_nano_usd(usage, rates)


@given(offer=offers, room=amount)
@example(offer=candidate(input_tokens=0, output_tokens=MAX_TOKENS, rates=Rates(0, 0, 0, 1)), room=0)
@example(offer=candidate(input_tokens=1, output_tokens=MAX_TOKENS, rates=Rates(1, 1, 1, 1)), room=1)
@example(offer=candidate(input_tokens=7, choices=3, rates=Rates(3, 2, 1, 0)), room=EXACT)
def test_the_largest_output_is_the_same_in_lua_and_in_python_and_really_the_largest(
    client: BlockingClient, offer: Candidate, room: int
) -> None:
    largest = run(client, LARGEST, pack_offer(offer), room)
    assert largest == largest_output_within(offer, room)
    if largest >= 0:
        assert run(client, WORST, pack_offer(offer), largest) <= room
    if largest < offer.output_tokens:
        assert worst_case_nano_usd(offer, largest + 1) > room


@given(offer=offers)
def test_the_worst_case_is_the_same_in_lua_and_in_python(
    client: BlockingClient, offer: Candidate
) -> None:
    found = run(client, WORST, pack_offer(offer), offer.output_tokens)
    assert found == worst_case_nano_usd(offer)


@pytest.mark.parametrize("number", [10**14, 10**14 + 1, EXACT - 1, EXACT])
def test_amounts_above_1e14_reach_hashes_sorted_sets_and_records_exactly(
    client: BlockingClient, number: int
) -> None:
    source = (
        "local n = tonumber(ARGV[1]) redis.call('HSET', KEYS[1], 'a', n, 'b', 0) "
        "redis.call('HINCRBY', KEYS[1], 'b', n) redis.call('ZADD', KEYS[2], n, 'm') "
        "return {redis.call('HGET', KEYS[1], 'a'), redis.call('HGET', KEYS[1], 'b'), "
        "redis.call('ZCOUNT', KEYS[2], n, n), cmsgpack.unpack(cmsgpack.pack(n)), n}"
    )
    numbers = assemble("numbers", f"#!lua\n{source}\n", {})
    reply = finish(client.evaluate(numbers, ("fx:{00}:n", "fx:{00}:z"), (number,)))
    text = str(number).encode()
    assert reply == [text, text, 1, number, number]
