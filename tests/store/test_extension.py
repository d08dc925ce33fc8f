import pytest

from fluxrouter_server.domain.accounts import KeyRecord, KeyState
from fluxrouter_server.domain.denials import Denial, Reason
from fluxrouter_server.domain.holds import Hold
from fluxrouter_server.domain.ids import KeyHash, KeyName, Principal
from fluxrouter_server.domain.plans import Enforcement, HoldRules, OnExpiry
from fluxrouter_server.services.ports.holds import Extended, Stale
from fluxrouter_testing.hold_documents import DOLLAR, HOUR_US, SECOND_US, candidate, free_plan
from fluxrouter_testing.hold_world import HoldWorld

KEY, NAME = KeyHash("ab" * 32), KeyName("laptop")
HELD = 5_250_000


def refusal(world: HoldWorld, hold: Hold, **changes: object) -> Denial:
    answer = world.try_extend(hold, **changes)
    assert isinstance(answer, Denial), answer
    return answer


def test_an_extension_sets_aside_what_the_larger_output_may_cost(world: HoldWorld) -> None:
    extended = world.extend(world.admit(), output_tokens=2_000)
    assert extended.held_nano_usd == HELD + 4_000_000
    assert extended.granted_output_tokens == 2_000
    assert extended.headroom_nano_usd == DOLLAR - extended.held_nano_usd
    assert world.counter("h:1:a") == extended.held_nano_usd


def test_the_larger_wins_so_an_extension_may_be_repeated(world: HoldWorld) -> None:
    hold = world.admit()
    first = world.extend(hold, output_tokens=2_000, expire_us=hold.expire_us + SECOND_US)
    assert world.extend(hold, output_tokens=2_000, expire_us=hold.expire_us + SECOND_US) == first
    assert world.extend(hold, output_tokens=1_500, expire_us=hold.expire_us) == first
    assert world.counter("h:1:a") == first.held_nano_usd


def test_an_extended_hold_ends_at_its_new_expiry(world: HoldWorld) -> None:
    hold = world.admit()
    world.extend(hold, expire_us=hold.expire_us + 60 * SECOND_US)
    world.now_us = hold.expire_us
    assert sum(world.sweep().values()) == 0
    world.advance(60)
    assert sum(world.sweep().values()) == 1


def test_no_hold_lives_longer_than_the_servers_bound(world: HoldWorld) -> None:
    hold = world.admit()
    begun_us = world.now_us
    world.advance(100)
    assert world.extend(hold, expire_us=begun_us + 9 * HOUR_US).expire_us == begun_us + HOUR_US


def test_an_extension_that_does_not_fit_leaves_the_hold_as_it_was(world: HoldWorld) -> None:
    world.put_plan(free_plan(cap_nano_usd=6_000_000))
    hold = world.admit()
    denial = refusal(world, hold, output_tokens=2_000, expire_us=hold.expire_us + SECOND_US)
    assert denial.reason is Reason.CAP_REACHED
    assert denial.level is not None
    assert denial.level.need_nano_usd == 4_000_000
    assert world.counter("h:1:a") == HELD
    world.now_us = hold.expire_us
    assert sum(world.sweep().values()) == 1


def test_a_lowered_cap_stops_more_money_and_not_more_time(world: HoldWorld) -> None:
    hold = world.admit()
    world.put_plan(free_plan(cap_nano_usd=1_000))
    assert refusal(world, hold, output_tokens=1_001).reason is Reason.CAP_REACHED
    assert world.extend(hold, expire_us=hold.expire_us + 1).expire_us == hold.expire_us + 1


def test_old_documents_extend_nothing(world: HoldWorld) -> None:
    hold, old = world.admit(), world.limits
    world.put_plan(free_plan(cap_nano_usd=1_000))
    assert isinstance(world.try_extend(hold, output_tokens=2_000, limits=old), Stale)


def test_a_suspended_or_deleted_account_extends_nothing(world: HoldWorld) -> None:
    hold = world.admit()
    world.put_account(suspended=True)
    assert refusal(world, hold, output_tokens=2_000).reason is Reason.ACCOUNT_SUSPENDED
    world.delete_account()
    assert refusal(world, hold, output_tokens=2_000).reason is Reason.RESOURCE_NOT_FOUND


def test_a_revoked_key_extends_nothing_and_its_holds_are_still_settled(world: HoldWorld) -> None:
    world.put_secrets(KeyRecord(NAME, KEY, KeyState.ACTIVE, 0, None))
    hold = world.admit(key_hash=KEY, key_name=NAME)
    world.put_secrets(KeyRecord(NAME, KEY, KeyState.REVOKED, 0, None))
    assert refusal(world, hold, output_tokens=2_000).reason is Reason.API_KEY_INVALID
    assert world.settle(hold).billed_nano_usd == 5_000_000


def test_an_ended_hold_is_not_extended(world: HoldWorld) -> None:
    hold = world.admit()
    world.settle(hold)
    assert refusal(world, hold, output_tokens=2_000).reason is Reason.HOLD_ENDED


def test_an_overdue_hold_ends_instead_of_being_extended(world: HoldWorld) -> None:
    hold = world.admit()
    world.now_us = hold.expire_us
    assert refusal(world, hold, expire_us=hold.expire_us + SECOND_US).reason is Reason.HOLD_ENDED
    assert world.live_keys() == set()


def test_overdue_holds_make_room_for_an_extension(world: HoldWorld) -> None:
    plan = free_plan(cap_nano_usd=10_500_000, holds=HoldRules(on_expiry=OnExpiry.RELEASE))
    world.put_plan(plan)
    world.admit()
    world.advance(60)
    hold = world.admit()
    assert refusal(world, hold, output_tokens=2_000).reason is Reason.CAP_REACHED
    world.advance(60)
    assert world.extend(hold, output_tokens=2_000).held_nano_usd == HELD + 4_000_000


def test_only_its_principal_or_a_meter_may_extend_a_hold(world: HoldWorld) -> None:
    hold, thief = world.admit(), Principal("key/other/laptop")
    assert refusal(world, hold, principal=thief).reason is Reason.HOLD_NOT_YOURS
    world.extend(hold, principal=thief, may_meter_any=True)


def test_more_tokens_than_can_be_priced_are_refused(world: HoldWorld) -> None:
    hold = world.admit(candidates=(candidate(choices=2, output_tokens=10),))
    denial = refusal(world, hold, output_tokens=50_000_001)
    assert denial.reason is Reason.INVALID_REQUEST
    assert denial.violations[0].field == "max_output_tokens"


@pytest.mark.parametrize("enforcement", Enforcement)
def test_observe_extends_beyond_the_cap(world: HoldWorld, enforcement: Enforcement) -> None:
    hold = world.admit()
    world.put_plan(free_plan(cap_nano_usd=1_000, enforcement=enforcement))
    answer = world.try_extend(hold, output_tokens=2_000)
    assert isinstance(answer, Extended) == (enforcement is Enforcement.OBSERVE)
