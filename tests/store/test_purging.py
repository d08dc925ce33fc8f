"""What becomes of a deleted account: revived while anything counts, purged afterwards."""

from fluxrouter_server.domain.denials import Denial, Reason
from fluxrouter_server.domain.ids import AccountUid
from fluxrouter_server.store.keys import account_keys, ledger_key, names_key, shard_due_key
from fluxrouter_testing.hold_documents import DOLLAR, HOUR_US
from fluxrouter_testing.hold_world import HoldWorld

COST = 5_000_000
RETRY_SECONDS = 60
KEPT_DAYS = 29
"""No new period may begin within 28 local days; a day may be an hour longer."""


def end_of_closing(world: HoldWorld) -> int:
    """The instant from which on the open period may be closed."""
    period = world.open_period
    assert period is not None
    return period.end_us + world.timing.max_hold_life_us + world.timing.late_window_us


def end_of_keeping(world: HoldWorld) -> int:
    """The instant from which on a deleted account may be purged."""
    period = world.open_period
    assert period is not None
    return period.end_us + KEPT_DAYS * 24 * HOUR_US


def drain_ledger(world: HoldWorld) -> None:
    """As if the ledger's worker had taken everything."""
    world.client.command("XTRIM", ledger_key(world.shard), "MAXLEN", 0)


def sweep_twice(world: HoldWorld) -> None:
    """Closes what is to be closed, and purges when the ledger has that entry."""
    world.sweep()
    drain_ledger(world)
    world.advance(RETRY_SECONDS)
    world.sweep()


def is_there(world: HoldWorld, uid: AccountUid) -> bool:
    keys = account_keys(uid)
    found = world.client.command("EXISTS", keys.account, keys.document, keys.holds, keys.hold_due)
    return found != 0


def test_an_account_revived_before_its_period_is_closed_counts_on(world: HoldWorld) -> None:
    world.settle(world.admit())
    uid, closing = world.uid, end_of_closing(world)
    world.delete_account()
    world.now_us = closing - 1
    world.advance(-RETRY_SECONDS)
    sweep_twice(world)
    world.put_account()
    assert (world.uid, world.counter("s:1:a")) == (uid, COST)


def test_a_deleted_account_is_purged_when_no_new_period_would_begin_too_soon(
    world: HoldWorld,
) -> None:
    world.settle(world.admit())
    uid, kept = world.uid, end_of_keeping(world)
    world.delete_account()
    world.now_us = kept
    sweep_twice(world)
    assert not is_there(world, uid)
    members = world.read("ZRANGE", names_key(world.shard), 0, -1)
    assert not [member for member in members if uid.encode() in member]
    assert uid.encode() not in world.read("ZRANGE", shard_due_key(world.shard), 0, -1)


def test_the_name_of_a_purged_account_makes_another_with_fresh_counters(world: HoldWorld) -> None:
    world.settle(world.admit())
    uid, kept = world.uid, end_of_keeping(world)
    world.delete_account()
    world.now_us = kept
    sweep_twice(world)
    world.put_account()
    assert world.uid != uid
    assert world.admit().headroom_nano_usd == DOLLAR - world.counter("h:1:a")


def test_the_purge_is_the_last_entry_of_the_account_and_has_no_document(world: HoldWorld) -> None:
    world.settle(world.admit())
    kept = end_of_keeping(world)
    world.delete_account()
    world.now_us = kept
    world.sweep()
    closed = world.entries()[-1]
    drain_ledger(world)
    world.advance(RETRY_SECONDS)
    world.sweep()
    (entry,) = world.entries()
    assert (entry["k"], entry["d"], entry["fl"]) == (b"control", b"account", 2)
    assert "by" not in entry
    assert entry["q"] == closed["q"] + 1


def test_nothing_is_purged_before_the_ledger_has_taken_the_shards_entries(
    world: HoldWorld,
) -> None:
    world.settle(world.admit())
    kept = end_of_keeping(world)
    world.delete_account()
    world.now_us = kept
    world.sweep()
    world.advance(RETRY_SECONDS)
    world.sweep()
    assert is_there(world, world.uid)
    sweep_twice(world)
    world.advance(RETRY_SECONDS)
    world.sweep()
    assert not is_there(world, world.uid)


def test_a_purge_that_waits_is_not_in_the_way_of_what_is_due(world: HoldWorld) -> None:
    world.settle(world.admit())
    kept = end_of_keeping(world)
    world.delete_account()
    world.now_us = kept
    world.sweep()
    due = world.read("ZRANGEBYSCORE", shard_due_key(world.shard), "-inf", world.now_us)
    assert world.uid.encode() not in due


def test_an_account_that_never_spent_is_kept_as_long_after_its_deletion(world: HoldWorld) -> None:
    world.delete_account()
    drain_ledger(world)
    world.now_us += world.timing.max_hold_life_us + world.timing.late_window_us - 1
    world.sweep()
    assert is_there(world, world.uid)
    world.now_us += 1
    world.sweep()
    assert not is_there(world, world.uid)


def test_an_account_that_lives_is_never_purged(world: HoldWorld) -> None:
    world.settle(world.admit())
    world.now_us = end_of_closing(world)
    sweep_twice(world)
    assert is_there(world, world.uid)


def test_a_settlement_that_comes_after_the_purge_brings_nothing_back(world: HoldWorld) -> None:
    world.now_us = world.proposed.end_us - 1
    hold = world.admit()
    limits, uid, kept = world.limits, world.uid, end_of_keeping(world)
    world.delete_account()
    world.now_us = kept
    sweep_twice(world)
    assert not is_there(world, uid)
    answer = world.try_settle(hold, limits=limits)
    assert isinstance(answer, Denial)
    assert answer.reason is Reason.HOLD_TOO_OLD
    assert not is_there(world, uid)


def test_deleting_and_creating_with_another_anchor_day_is_no_fresh_period_within_28_days(
    world: HoldWorld,
) -> None:
    world.settle(world.admit())
    uid, closing, kept = world.uid, end_of_closing(world), end_of_keeping(world)
    world.delete_account()
    world.now_us = closing
    sweep_twice(world)
    world.now_us = kept - 1
    world.advance(-RETRY_SECONDS)
    sweep_twice(world)
    assert is_there(world, uid)
    world.put_account(anchor_day=17)
    assert world.uid == uid
