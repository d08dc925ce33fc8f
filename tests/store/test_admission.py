import pytest

from fluxrouter_server.domain.accounts import Budget, KeyRecord, KeyState, PaymentMethod
from fluxrouter_server.domain.denials import Denial, Reason
from fluxrouter_server.domain.ids import KeyHash, KeyName
from fluxrouter_server.domain.plans import Enforcement, HoldRules
from fluxrouter_server.services.ports.errors import StoreRefused, StoreUnavailable
from fluxrouter_server.services.ports.holds import Stale
from fluxrouter_server.store.hold_timing import HoldTiming
from fluxrouter_testing.hold_documents import DOLLAR, SECOND_US, candidate, free_plan
from fluxrouter_testing.hold_world import HoldWorld
from fluxrouter_testing.valkey import ThrowawayValkey
from fluxrouter_testing.waiting import eventually

KEY = KeyHash("ab" * 32)
NAME = KeyName("laptop")


def secret(state: KeyState = KeyState.ACTIVE, grace_end_us: int | None = None) -> KeyRecord:
    return KeyRecord(NAME, KEY, state, 0, grace_end_us)


def test_an_admission_sets_its_worst_case_aside_on_every_level(world: HoldWorld) -> None:
    world.put_secrets(secret())
    world.put_account(budgets=(Budget("search", {"team": "search"}, DOLLAR),))
    hold = world.admit(labels={"team": "search", "env": "ci"}, key_hash=KEY, key_name=NAME)
    assert hold.held_nano_usd == 1_000 * 1_250 + 1_000 * 4_000
    hour = world.now_us // 3_600_000_000
    for level in ("1:a", "1:b/search", "1:k/laptop", f"H{hour}"):
        assert world.counter(f"h:{level}") == hold.held_nano_usd
        assert world.counter(f"s:{level}") == 0


def test_an_admission_answers_what_was_chosen_and_until_when(world: HoldWorld) -> None:
    hold = world.admit()
    assert (hold.model, hold.granted_output_tokens) == ("fast-1", 1_000)
    assert hold.headroom_nano_usd == DOLLAR - hold.held_nano_usd
    assert hold.expire_us == world.now_us + 120 * SECOND_US
    assert hold.period_end_us == end_us(world)


def test_a_request_that_fits_exactly_is_admitted_and_the_next_nano_usd_is_not(
    world: HoldWorld,
) -> None:
    world.put_plan(free_plan(cap_nano_usd=10_500_000))
    world.admit()
    world.admit()
    world.put_plan(free_plan(cap_nano_usd=10_500_000, holds=HoldRules(min_output_tokens=1)))
    denial = world.deny(candidates=(candidate(input_tokens=0, output_tokens=1),))
    assert denial.reason is Reason.CAP_REACHED
    assert denial.level is not None
    assert denial.level.remaining_nano_usd == 0


def test_the_first_candidate_whose_whole_wish_fits_is_chosen(world: HoldWorld) -> None:
    world.put_plan(free_plan(cap_nano_usd=5_250_000))
    dear = candidate("reasoning-1", output_tokens=8_000)
    assert world.admit(candidates=(dear, candidate("fast-1"))).model == "fast-1"


def test_the_output_shrinks_to_what_is_left_where_no_whole_wish_fits(world: HoldWorld) -> None:
    world.put_plan(free_plan(cap_nano_usd=2_000_000))
    hold = world.admit()
    # 1,250,000 for the input leaves 750,000, at 4,000 a token.
    assert hold.granted_output_tokens == 187
    assert hold.wished_output_tokens == 1_000
    assert hold.held_nano_usd == 1_250_000 + 187 * 4_000


def test_an_output_below_the_plans_minimum_is_not_worth_a_grant(world: HoldWorld) -> None:
    world.put_plan(free_plan(cap_nano_usd=1_250_000 + 15 * 4_000))
    denial = world.deny()
    assert denial.reason is Reason.CAP_REACHED
    assert denial.level is not None
    assert denial.level.need_nano_usd == 1_250_000 + 16 * 4_000


def test_a_denial_names_the_level_with_the_least_room_its_figures_and_its_reset(
    world: HoldWorld,
) -> None:
    world.put_account(budgets=(Budget("search", {"team": "search"}, 6_000_000),))
    held = world.admit(labels={"team": "search"}).held_nano_usd
    denial = world.deny(
        labels={"team": "search"}, candidates=(candidate(input_tokens=10_000, output_tokens=10),)
    )
    assert denial.reason is Reason.CAP_REACHED
    assert denial.retry_after_us is None
    assert denial.level is not None
    assert denial.level.level == "budget/search"
    assert (denial.level.cap_nano_usd, denial.level.settled_nano_usd) == (6_000_000, 0)
    assert (denial.level.held_nano_usd, denial.level.need_nano_usd) == (held, 12_540_000)
    assert denial.level.reset_us == end_us(world)


def test_a_full_hour_says_when_the_next_one_begins(world: HoldWorld) -> None:
    world.put_plan(free_plan(hourly_cap_nano_usd=6_000_000))
    world.admit()
    denial = world.deny()
    next_hour_us = (world.now_us // 3_600_000_000 + 1) * 3_600_000_000
    assert denial.reason is Reason.HOURLY_CAP_REACHED
    assert denial.retry_after_us == next_hour_us - world.now_us
    assert denial.level is not None
    assert (denial.level.level, denial.level.reset_us) == ("hour", next_hour_us)
    world.now_us = next_hour_us
    world.admit()


def test_the_hour_is_not_blamed_where_the_month_is_full_as_well(world: HoldWorld) -> None:
    world.put_plan(free_plan(cap_nano_usd=6_000_000, hourly_cap_nano_usd=5_300_000))
    world.admit()
    assert world.deny().reason is Reason.CAP_REACHED


def test_a_denied_request_leaves_nothing_behind(world: HoldWorld) -> None:
    world.put_plan(free_plan(cap_nano_usd=6_000_000))
    world.admit()
    before = world.fields(), world.live_keys(), world.entries()
    world.deny()
    assert (world.fields(), world.live_keys(), world.entries()) == before


def test_what_arrives_after_its_deadline_is_not_admitted(world: HoldWorld) -> None:
    with pytest.raises(StoreUnavailable, match="deadline") as caught:
        world.ask(deadline_us=world.now_us - 1)
    assert not caught.value.outcome_unknown
    assert world.live_keys() == set()
    world.admit(deadline_us=world.now_us)


def test_a_suspended_account_is_denied_at_once(world: HoldWorld) -> None:
    missed_it = world.limits
    world.put_account(suspended=True)
    assert world.deny(limits=missed_it).reason is Reason.ACCOUNT_SUSPENDED


def test_a_deleted_account_is_denied_at_once(world: HoldWorld) -> None:
    missed_it = world.limits
    world.delete_account()
    assert world.deny(limits=missed_it).reason is Reason.RESOURCE_NOT_FOUND


def test_a_missing_payment_method_is_denied_and_one_on_file_is_not(world: HoldWorld) -> None:
    world.put_plan(free_plan(payment_method_required=True))
    without = world.limits
    denial = world.deny()
    assert denial.reason is Reason.PAYMENT_METHOD_REQUIRED
    assert denial.facts == {"plan": "free"}
    world.put_account(payment_method=PaymentMethod.CARD)
    assert isinstance(world.ask(limits=without), Stale)
    world.admit()


def test_a_key_is_valid_until_its_grace_ends_and_not_a_microsecond_longer(
    world: HoldWorld,
) -> None:
    end_us = world.now_us + SECOND_US
    world.put_secrets(secret(KeyState.ROTATED, end_us))
    world.now_us = end_us - 1
    world.admit(key_hash=KEY, key_name=NAME)
    world.now_us = end_us
    assert world.deny(key_hash=KEY, key_name=NAME).reason is Reason.API_KEY_INVALID


@pytest.mark.parametrize("other", [KeyHash("cd" * 32), KEY])
def test_a_key_that_is_unknown_or_revoked_is_denied(world: HoldWorld, other: KeyHash) -> None:
    world.put_secrets(secret(KeyState.REVOKED))
    assert world.deny(key_hash=other, key_name=NAME).reason is Reason.API_KEY_INVALID


def test_an_older_generation_of_any_document_gets_todays(world: HoldWorld) -> None:
    old = world.limits
    world.put_plan(free_plan(cap_nano_usd=2 * DOLLAR))
    answer = world.ask(limits=old)
    assert isinstance(answer, Stale)
    assert answer.plan == world.plans[free_plan().name]
    assert (answer.account, answer.catalog) == (None, None)
    old = world.limits
    world.put_account(display_name="Acme Inc.")
    answer = world.ask(limits=old)
    assert isinstance(answer, Stale)
    assert answer.account == world.account
    assert (answer.plan, answer.catalog) == (None, None)
    assert world.live_keys() == set()


def test_an_account_that_is_gone_is_told_apart_from_one_that_changed(world: HoldWorld) -> None:
    limits, period = world.limits, world.proposed
    world.empty()
    answer = world.ask(limits=limits, proposed_period=period)
    assert isinstance(answer, Stale)
    assert answer.account_missing
    assert answer.plan_missing


def test_a_shard_with_another_marker_has_lost_its_data(world: HoldWorld) -> None:
    world.lives.markers[world.shard] = "another"
    with pytest.raises(StoreUnavailable, match="lost its data"):
        world.ask()


def test_a_store_of_another_layout_is_refused(world: HoldWorld) -> None:
    command = world.command()
    world.client.command("HSET", world.key("meta"), "layout", "99")
    with pytest.raises(StoreRefused, match="layout '99'"):
        world.ask(limits=command.limits, proposed_period=command.proposed_period)


def test_a_store_with_the_real_clock_takes_no_simulated_one(world: HoldWorld) -> None:
    command = world.command()
    world.client.command("HSET", world.key("meta"), "clock", "real")
    with pytest.raises(StoreRefused, match="clock 'real'"):
        world.ask(limits=command.limits, proposed_period=command.proposed_period)


def test_admission_stops_at_a_ledger_backlog_and_settlement_does_not(
    shared_valkey: ThrowawayValkey,
) -> None:
    # The documents' own entries are five; the release's is the sixth.
    world = HoldWorld(shared_valkey, HoldTiming(most_backlog_entries=2 + 1))
    hold, other = world.admit(), world.admit()
    world.release(other)
    with pytest.raises(StoreUnavailable, match="ledger"):
        world.ask()
    assert world.settle(hold).billed_nano_usd > 0
    world.close()


def test_admission_stops_while_an_entry_waits_too_long_for_the_ledger(
    shared_valkey: ThrowawayValkey,
) -> None:
    world = HoldWorld(shared_valkey, HoldTiming(most_lag_ms=1))
    eventually(lambda: is_stopped(world), timeout_seconds=10)
    world.client.command("XTRIM", world.key("ledger"), "MAXLEN", 0)
    assert world.admit().held_nano_usd > 0
    world.close()


def test_entries_that_wait_for_less_stop_nothing(shared_valkey: ThrowawayValkey) -> None:
    world = HoldWorld(shared_valkey, HoldTiming(most_lag_ms=60_000))
    assert world.admit().held_nano_usd > 0
    world.close()


def is_stopped(world: HoldWorld) -> bool:
    try:
        world.admit()
    except StoreUnavailable:
        return True
    return False


def test_observe_admits_what_it_would_deny_and_says_so(world: HoldWorld) -> None:
    world.put_plan(free_plan(cap_nano_usd=1_000, enforcement=Enforcement.OBSERVE))
    hold = world.admit()
    assert hold.would_deny == Reason.CAP_REACHED
    assert hold.granted_output_tokens == hold.wished_output_tokens
    assert world.counter("h:1:a") == hold.held_nano_usd
    assert hold.headroom_nano_usd == 0


def test_observe_keeps_the_reason_that_was_found_first(world: HoldWorld) -> None:
    world.put_plan(free_plan(cap_nano_usd=1_000, enforcement=Enforcement.OBSERVE))
    assert world.admit(would_deny="MODEL_NOT_IN_PLAN").would_deny == "MODEL_NOT_IN_PLAN"


def test_observe_does_not_soften_a_suspension(world: HoldWorld) -> None:
    world.put_plan(free_plan(enforcement=Enforcement.OBSERVE))
    world.put_account(suspended=True)
    assert isinstance(world.ask(), Denial)


def test_observe_ends_where_doubles_would_no_longer_count_exactly(world: HoldWorld) -> None:
    world.put_plan(free_plan(enforcement=Enforcement.OBSERVE))
    world.admit()
    world.client.command("HSET", world.key(f"acct:{world.uid}"), "s:1:a", 2**53 - 10)
    assert world.deny().reason is Reason.CAP_REACHED


def test_a_check_says_what_admission_would_do_and_writes_nothing(world: HoldWorld) -> None:
    world.put_plan(free_plan(cap_nano_usd=2_000_000))
    before = world.fields()
    fit = world.check()
    assert fit.candidate is not None
    assert fit.candidate.output_tokens == 187
    assert (fit.need_nano_usd, fit.headroom_nano_usd) == (1_998_000, 2_000_000)
    assert world.fields() == before
    world.put_plan(free_plan(cap_nano_usd=1_000))
    fit = world.check()
    assert fit.denial is not None
    assert fit.denial.reason is Reason.CAP_REACHED
    assert fit.headroom_nano_usd == 1_000


def end_us(world: HoldWorld) -> int:
    """When the open period ends."""
    period = world.open_period
    assert period is not None
    return period.end_us
