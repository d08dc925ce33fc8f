from dataclasses import replace

import pytest

from fluxrouter_server.domain.denials import Denial, Reason
from fluxrouter_server.domain.holds import HoldState
from fluxrouter_server.domain.ids import Principal
from fluxrouter_server.domain.plans import HoldRules, OnExpiry
from fluxrouter_testing.hold_documents import DOLLAR, HOUR_US, candidate, free_plan
from fluxrouter_testing.hold_world import HoldWorld, ref

HELD = 5_250_000


def test_a_release_gives_everything_back(world: HoldWorld) -> None:
    receipt = world.release(world.admit())
    assert (receipt.state, receipt.replayed) == (HoldState.RELEASED, False)
    assert (receipt.cost_nano_usd, receipt.billed_nano_usd) == (0, 0)
    assert receipt.headroom_nano_usd == DOLLAR
    assert (world.counter("h:1:a"), world.live_keys()) == (0, set())
    assert [entry["k"] for entry in world.entries()] == [b"control", b"release"]


def test_a_release_of_what_has_ended_answers_how_it_ended(world: HoldWorld) -> None:
    hold = world.admit()
    settled = world.settle(hold)
    again = world.release(hold)
    assert (again.state, again.replayed) == (HoldState.SETTLED, True)
    assert again.billed_nano_usd == settled.billed_nano_usd
    assert world.counter("s:1:a") == settled.billed_nano_usd


def test_a_release_by_request_ends_the_live_hold(world: HoldWorld) -> None:
    hold = world.admit("r")
    receipt = world.release_request("r")
    assert (receipt.hold_id, receipt.state) == (hold.id, HoldState.RELEASED)
    assert world.live_keys() == set()


def test_a_release_of_an_unknown_hold_is_refused(world: HoldWorld) -> None:
    hold = replace(ref(world.admit()), request_key="B" * 16)
    answer = world.try_release(hold)
    assert isinstance(answer, Denial)
    assert answer.reason is Reason.HOLD_NOT_FOUND


def test_only_its_principal_or_a_meter_may_release_a_hold(world: HoldWorld) -> None:
    hold, thief = world.admit("r"), Principal("service/other")
    answer = world.try_release(hold, principal=thief)
    assert isinstance(answer, Denial)
    assert answer.reason is Reason.HOLD_NOT_YOURS
    assert world.live_keys() != set()
    world.release(hold, principal=thief, may_meter_any=True)


@pytest.mark.parametrize(
    "rule, state, settled",
    [
        (OnExpiry.CHARGE, HoldState.EXPIRED_CHARGED, HELD),
        (OnExpiry.RELEASE, HoldState.EXPIRED_RELEASED, 0),
    ],
)
def test_a_sweep_ends_an_overdue_hold_as_its_plan_said_when_it_was_made(
    world: HoldWorld, rule: OnExpiry, state: HoldState, settled: int
) -> None:
    world.put_plan(free_plan(holds=HoldRules(on_expiry=rule)))
    world.admit()
    other = OnExpiry.RELEASE if rule is OnExpiry.CHARGE else OnExpiry.CHARGE
    world.put_plan(free_plan(holds=HoldRules(on_expiry=other)))
    world.advance(119)
    assert sum(world.sweep().values()) == 0
    world.advance(1)
    assert world.sweep()[state] == 1
    assert (world.counter("s:1:a"), world.counter("h:1:a")) == (settled, 0)
    assert world.entries("expiry")[0]["b"] == settled
    assert sum(world.sweep().values()) == 0


def test_the_accounts_next_admission_ends_what_is_overdue(world: HoldWorld) -> None:
    world.put_plan(free_plan(cap_nano_usd=6_000_000, holds=HoldRules(on_expiry=OnExpiry.RELEASE)))
    world.admit()
    world.deny()
    world.advance(120)
    world.admit()
    assert len(world.entries("expiry")) == 1
    assert world.expired == {HoldState.EXPIRED_RELEASED: 1}


def test_a_denied_request_ends_what_is_overdue_as_well(world: HoldWorld) -> None:
    world.put_plan(free_plan(cap_nano_usd=6_000_000))
    world.admit()
    world.advance(120)
    assert world.deny().reason is Reason.CAP_REACHED
    assert (world.counter("s:1:a"), world.counter("h:1:a")) == (HELD, 0)


def test_a_check_counts_overdue_holds_as_ended_and_leaves_them(world: HoldWorld) -> None:
    world.put_plan(free_plan(cap_nano_usd=6_000_000, holds=HoldRules(on_expiry=OnExpiry.RELEASE)))
    world.admit()
    world.advance(120)
    assert world.check().candidate is not None
    assert len(world.live_keys()) == 1


def test_more_overdue_holds_than_one_script_ends_are_a_denial_with_a_retry(
    world: HoldWorld,
) -> None:
    world.put_plan(free_plan(holds=HoldRules(on_expiry=OnExpiry.RELEASE)))
    small = (candidate(input_tokens=100, output_tokens=10),)
    for _ in range(300):
        world.admit(candidates=small)
    world.put_plan(free_plan(cap_nano_usd=100_000))
    world.advance(120)
    denial = world.deny(candidates=small)
    assert denial.retry_after_us is not None
    assert len(world.live_keys()) == 44
    world.put_plan(free_plan(cap_nano_usd=1_000_000))
    world.admit(candidates=small)
    assert len(world.live_keys()) == 1


def test_a_sweep_ends_any_number_of_overdue_holds(world: HoldWorld) -> None:
    small = (candidate(input_tokens=100, output_tokens=10),)
    for _ in range(600):
        world.admit(candidates=small)
    world.advance(120)
    assert world.sweep()[HoldState.EXPIRED_CHARGED] == 600
    assert (world.live_keys(), world.counter("h:1:a")) == (set(), 0)
    assert world.counter("s:1:a") == 600 * small_need()


def test_a_sweep_finds_a_hold_whose_account_is_idle_and_deleted(world: HoldWorld) -> None:
    world.admit()
    world.delete_account()
    world.advance(120)
    assert world.sweep()[HoldState.EXPIRED_CHARGED] == 1


def test_an_account_is_due_again_for_what_a_sweep_leaves(world: HoldWorld) -> None:
    world.admit()
    world.advance(60)
    second = world.admit()
    world.advance(60)
    world.sweep()
    assert len(world.live_keys()) == 1
    world.now_us = second.expire_us
    world.sweep()
    assert world.live_keys() == set()


def test_the_counters_of_past_hours_are_dropped_when_nothing_can_touch_them(
    world: HoldWorld,
) -> None:
    world.settle(world.admit())
    first = world.now_us // HOUR_US
    for _ in range(4):
        world.now_us += HOUR_US
        world.settle(world.admit())
    hours = {name for name in world.fields() if name.startswith("s:H")}
    assert hours == {f"s:H{first + n}" for n in (2, 3, 4)}


def small_need() -> int:
    return 100 * 1_250 + 10 * 4_000
