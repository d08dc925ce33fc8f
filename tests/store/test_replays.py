import pytest

from fluxrouter_server.domain.denials import Denial, Reason
from fluxrouter_server.domain.holds import HoldState
from fluxrouter_server.domain.plans import HoldRules, OnExpiry
from fluxrouter_server.services.ports.holds import Admitted, Stale
from fluxrouter_testing.hold_documents import HOUR_US, free_plan
from fluxrouter_testing.hold_world import HoldWorld


def replay(world: HoldWorld, request_id: str = "r", **changes: object) -> Admitted:
    answer = world.ask(request_id, **changes)
    assert isinstance(answer, Admitted), answer
    assert answer.replayed
    return answer


def test_the_same_request_again_is_answered_the_same_and_holds_nothing_more(
    world: HoldWorld,
) -> None:
    hold = world.admit("r")
    held = world.counter("h:1:a")
    world.advance(1)
    assert replay(world).hold == hold
    assert world.counter("h:1:a") == held


@pytest.mark.parametrize("rule", OnExpiry)
def test_a_request_whose_hold_expired_is_replayed_with_that_state(
    world: HoldWorld, rule: OnExpiry
) -> None:
    world.put_plan(free_plan(holds=HoldRules(on_expiry=rule)))
    world.admit("r")
    world.advance(120)
    world.sweep()
    states = {
        OnExpiry.CHARGE: HoldState.EXPIRED_CHARGED,
        OnExpiry.RELEASE: HoldState.EXPIRED_RELEASED,
    }
    assert replay(world).hold.state is states[rule]


def test_a_settled_request_is_replayed_with_its_hold_as_it_was_answered(world: HoldWorld) -> None:
    hold = world.admit("r")
    world.settle(hold)
    again = replay(world).hold
    assert again.state is HoldState.SETTLED
    assert (again.id, again.model, again.rates) == (hold.id, hold.model, hold.rates)
    assert (again.held_nano_usd, again.expire_us) == (hold.held_nano_usd, hold.expire_us)


def test_a_released_request_is_replayed_and_a_higher_attempt_is_admitted(world: HoldWorld) -> None:
    world.release(world.admit("r"))
    assert replay(world).hold.state is HoldState.RELEASED
    assert world.admit("r", attempt=2).attempt == 2


def test_an_older_attempt_is_refused(world: HoldWorld) -> None:
    world.release(world.admit("r"))
    world.admit("r", attempt=3)
    for attempt in (1, 2):
        denial = world.deny("r", attempt=attempt)
        assert denial.reason is Reason.ATTEMPT_SUPERSEDED
        assert denial.facts == {"attempt": 3}


def test_a_higher_attempt_waits_until_the_live_one_has_ended(world: HoldWorld) -> None:
    hold = world.admit("r")
    denial = world.deny("r", attempt=2)
    assert denial.reason is Reason.ATTEMPT_SUPERSEDED
    assert "settle or release it first" in denial.message
    world.release(hold)
    world.admit("r", attempt=2)


@pytest.mark.parametrize("attempt", [1, 2])
@pytest.mark.parametrize("has_ended", [True, False])
def test_another_body_under_a_known_id_is_refused(
    world: HoldWorld, attempt: int, has_ended: bool
) -> None:
    hold = world.admit("r")
    if has_ended:
        world.settle(hold)
    denial = world.deny("r", attempt=attempt, digest=b"another body 16b")
    assert denial.reason is Reason.REQUEST_ID_REUSED


def test_a_release_before_its_route_keeps_the_route_from_coming_to_life(world: HoldWorld) -> None:
    receipt = world.release_request("r")
    assert (receipt.hold_id, receipt.state) == (None, HoldState.RELEASED)
    assert world.deny("r").reason is Reason.ATTEMPT_SUPERSEDED
    world.admit("r", attempt=2)


def test_giving_up_one_call_leaves_the_attempt_to_the_callers_retry(world: HoldWorld) -> None:
    world.release_request("r", call="lost")
    denial = world.deny("r", call="lost")
    assert denial.reason is Reason.ATTEMPT_SUPERSEDED
    hold = world.admit("r", call="retry")
    receipt = world.release_request("r", call="lost")
    assert (receipt.state, receipt.hold_id) == (HoldState.ACTIVE, hold.id)
    assert world.live_keys() != set()
    assert world.release_request("r", call="retry").state is HoldState.RELEASED


def test_a_request_is_remembered_for_the_whole_window_after_its_end(world: HoldWorld) -> None:
    world.now_us = 1_790_000_000 // 3600 * HOUR_US + HOUR_US - 1_000_000  # near a bucket's end
    world.release(world.admit("r"))
    world.now_us += world.timing.replay_window_us - 1
    replay(world)


def test_a_clock_that_is_set_back_hides_nothing_that_ended(world: HoldWorld) -> None:
    hold = world.admit("r")
    world.settle(hold)
    world.advance(-3 * 3600)
    assert replay(world).hold.state is HoldState.SETTLED
    assert world.settle(hold).replayed


def test_a_window_later_the_id_is_free_again(world: HoldWorld) -> None:
    world.settle(world.admit("r"))
    world.now_us += 2 * world.timing.replay_window_us
    world.admit("r")


def test_a_caller_gone_wild_is_told_to_take_another_id(world: HoldWorld) -> None:
    for attempt in range(1, 33):
        world.release(world.admit("r", attempt=attempt))
    denial = world.deny("r", attempt=33)
    assert denial.reason is Reason.ATTEMPT_SUPERSEDED
    assert "another request id" in denial.message
    assert world.release_request("r", 40).state is HoldState.RELEASED


def test_a_replay_needs_no_fresh_documents(world: HoldWorld) -> None:
    old = world.limits
    world.admit("r")
    world.put_plan(free_plan(cap_nano_usd=1))
    replay(world, limits=old)


@pytest.mark.parametrize("has_ended", [True, False])
def test_a_known_request_is_recalled_without_a_candidate(world: HoldWorld, has_ended: bool) -> None:
    hold = world.admit("r")
    if has_ended:
        world.settle(hold)
    old = world.limits
    world.put_plan(free_plan(cap_nano_usd=1))
    answer = world.recall("r", limits=old)
    assert isinstance(answer, Admitted)
    assert (answer.hold.id, answer.replayed) == (hold.id, True)
    assert answer.hold.state is (HoldState.SETTLED if has_ended else HoldState.ACTIVE)


def test_a_new_request_is_not_recalled_and_leaves_no_trace(world: HoldWorld) -> None:
    assert world.recall("r") is None
    world.admit("r")


def test_a_new_request_is_recalled_only_by_documents_of_today(world: HoldWorld) -> None:
    old = world.limits
    world.put_plan(free_plan(cap_nano_usd=1))
    assert isinstance(world.recall("r", limits=old), Stale)


def test_another_body_under_a_known_id_is_refused_without_a_candidate_too(
    world: HoldWorld,
) -> None:
    world.admit("r")
    answer = world.recall("r", digest=b"another body 16b")
    assert isinstance(answer, Denial)
    assert answer.reason is Reason.REQUEST_ID_REUSED
