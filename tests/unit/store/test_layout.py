from dataclasses import replace

import pytest

from fluxrouter_server.services.ports.errors import StoreRefused
from fluxrouter_server.store.hold_timing import HoldTiming
from fluxrouter_server.store.keys import LAYOUT_VERSION, SHARD_HASH, SHARDS
from fluxrouter_server.store.layout import (
    ClockKind,
    Fenced,
    Initialise,
    Ready,
    ShardFacts,
    ShardLife,
    Verdict,
    judge,
)

OURS = (str(LAYOUT_VERSION), str(SHARDS), SHARD_HASH)
EMPTY = ShardFacts(identity=None, clock=None, epoch=0, marker="", accounts=0)
CLOSED = replace(EMPTY, epoch=2)
LIVES = tuple(ShardLife(1, f"m{shard}") for shard in range(SHARDS))
NEXT = tuple(ShardLife(2, f"n{shard}") for shard in range(SHARDS))


def store_of(lives: tuple[ShardLife, ...]) -> list[ShardFacts]:
    return [ShardFacts(OURS, "real", life.epoch, life.marker, accounts=3) for life in lives]


def judged(
    facts: list[ShardFacts],
    *,
    trusted: tuple[ShardLife, ...] | None = None,
    adopt_newer: bool = False,
    may_initialise: bool = False,
) -> Verdict:
    return judge(
        facts,
        clock=ClockKind.REAL,
        trusted=trusted,
        adopt_newer=adopt_newer,
        may_initialise=may_initialise,
    )


def fence(verdict: Verdict) -> str:
    assert isinstance(verdict, Fenced)
    return verdict.message


def test_a_store_as_it_is_remembered_is_ready() -> None:
    assert judged(store_of(LIVES), trusted=LIVES) == Ready(LIVES)


def test_a_whole_store_that_nobody_remembers_is_taken_as_it_is() -> None:
    assert judged(store_of(LIVES)) == Ready(LIVES)


def test_an_empty_store_that_nobody_remembers_is_new_only_where_it_may_be() -> None:
    empty = [EMPTY] * SHARDS
    assert judged(empty, may_initialise=True) == Initialise()
    assert "nothing tells whether it is new" in fence(judged(empty))


def test_an_initialisation_that_ended_half_way_is_completed() -> None:
    half = [replace(fact, accounts=0) for fact in store_of(LIVES)]
    half[7:] = [EMPTY] * (SHARDS - 7)
    assert judged(half, may_initialise=True) == Initialise()


def test_a_store_that_is_in_use_and_lacks_a_shard_is_never_completed() -> None:
    facts = store_of(LIVES)
    facts[7] = EMPTY
    assert "shard 07 lost its data" in fence(judged(facts, may_initialise=True))


def test_a_remembered_store_that_is_empty_has_lost_its_data() -> None:
    message = fence(judged([EMPTY] * SHARDS, trusted=LIVES, may_initialise=True))
    assert "every shard is empty" in message
    assert "fluxrouter doctor --reinitialize" in message


def test_a_remembered_store_that_lacks_some_shards_is_fenced_and_names_them() -> None:
    facts = store_of(LIVES)
    for shard in (1, 2, 16, 32, 255):
        facts[shard] = EMPTY
    assert "shard 01, 02, 10, 20 and 1 more is empty" in fence(judged(facts, trusted=LIVES))


def test_another_life_of_higher_epoch_is_taken_only_where_it_may_be() -> None:
    assert judged(store_of(NEXT), trusted=LIVES, adopt_newer=True) == Ready(NEXT)
    assert "another marker" in fence(judged(store_of(NEXT), trusted=LIVES))


def test_another_life_of_the_same_or_a_lower_epoch_is_never_taken() -> None:
    same = [replace(fact, epoch=1) for fact in store_of(NEXT)]
    assert "other data" in fence(judged(same, trusted=LIVES, adopt_newer=True))
    assert "other data" in fence(judged(store_of(LIVES), trusted=NEXT, adopt_newer=True))


def test_a_reinitialisation_that_ended_half_way_keeps_the_store_fenced() -> None:
    closed = [CLOSED] * SHARDS
    for trusted in (None, LIVES):
        verdict = judged(closed, trusted=trusted, adopt_newer=True, may_initialise=True)
        assert "did not come to its end" in fence(verdict)


@pytest.mark.parametrize(
    "identity",
    [("2", str(SHARDS), SHARD_HASH), (OURS[0], "128", SHARD_HASH), (OURS[0], OURS[1], "xxh")],
)
def test_data_of_another_layout_is_refused_with_both_sides_named(
    identity: tuple[str, str, str],
) -> None:
    facts = store_of(LIVES)
    facts[200] = replace(facts[200], identity=identity)
    with pytest.raises(StoreRefused) as refusal:
        judged(facts, trusted=LIVES)
    assert "layout {}, {} shards by {}".format(*identity) in str(refusal.value)
    assert "layout {}, {} shards by {}".format(*OURS) in str(refusal.value)


@pytest.mark.parametrize("ours", ClockKind)
def test_data_of_the_other_clock_is_refused(ours: ClockKind) -> None:
    (theirs,) = set(ClockKind) - {ours}
    facts = [replace(fact, clock=str(theirs)) for fact in store_of(LIVES)]
    with pytest.raises(StoreRefused, match=f"for a {theirs} clock .* runs on a {ours} one"):
        judge(facts, clock=ours, trusted=None, adopt_newer=True, may_initialise=True)


def test_a_server_with_other_spans_is_refused_and_told_those_of_the_store() -> None:
    usual, other = HoldTiming().layout, HoldTiming(late_window_us=60_000_000).layout
    facts = [replace(fact, identity=(other, *OURS[1:])) for fact in store_of(LIVES)]
    ready = judge(
        facts,
        clock=ClockKind.REAL,
        trusted=None,
        adopt_newer=True,
        may_initialise=False,
        layout=other,
    )
    assert ready == Ready(LIVES)
    assert usual == OURS[0]
    with pytest.raises(StoreRefused, match=r"--late-window-seconds 60; this one has .* 3600:"):
        judged(facts)
