from dataclasses import replace

from fluxrouter_server.domain.accounts import Budget
from fluxrouter_server.domain.denials import Denial, Reason
from fluxrouter_server.domain.holds import Hold, HoldState
from fluxrouter_server.domain.ids import PlanName, Principal
from fluxrouter_server.domain.plans import HoldRules, OnExpiry, Overage
from fluxrouter_server.domain.pricing import Usage
from fluxrouter_server.services.ports.holds import Stale
from fluxrouter_testing.hold_documents import DOLLAR, HOUR_US, free_plan
from fluxrouter_testing.hold_world import HoldWorld, ref

#: What a default hold sets aside, and what the default usage costs.
HELD, COST = 5_250_000, 5_000_000
#: Costs twice the default hold.
DOUBLE = Usage(2_500, 0, 0, 2_000)


def expired(world: HoldWorld, rule: OnExpiry) -> Hold:
    """A hold that has ended by its expiry."""
    world.put_plan(free_plan(holds=HoldRules(on_expiry=rule)))
    hold = world.admit()
    world.advance(120)
    assert sum(world.sweep().values()) == 1
    return hold


def test_a_settlement_charges_what_was_used_and_gives_back_the_rest(world: HoldWorld) -> None:
    receipt = world.settle(world.admit())
    assert (receipt.state, receipt.replayed) == (HoldState.SETTLED, False)
    assert (receipt.cost_nano_usd, receipt.billed_nano_usd) == (COST, COST)
    assert receipt.headroom_nano_usd == DOLLAR - COST
    assert (world.counter("s:1:a"), world.counter("h:1:a")) == (COST, 0)
    assert world.live_keys() == set()


def test_cached_and_written_input_is_charged_at_its_own_rates(world: HoldWorld) -> None:
    receipt = world.settle(world.admit(), Usage(100, 400, 500, 10))
    assert receipt.cost_nano_usd == 100 * 1_000 + 400 * 250 + 500 * 1_250 + 10 * 4_000


def test_a_replayed_settlement_returns_the_first_receipt(world: HoldWorld) -> None:
    hold = world.admit()
    first = world.settle(hold)
    again = world.settle(hold, DOUBLE)
    assert again.replayed
    assert again.billed_nano_usd == first.billed_nano_usd
    assert world.counter("s:1:a") == COST
    assert len(world.entries("settlement")) == 1


def test_a_settlement_may_exceed_its_hold_where_there_is_room(world: HoldWorld) -> None:
    receipt = world.settle(world.admit(), DOUBLE)
    assert receipt.billed_nano_usd == receipt.cost_nano_usd == 10_500_000


def test_what_does_not_fit_is_absorbed_and_never_billed(world: HoldWorld) -> None:
    world.put_plan(free_plan(cap_nano_usd=6_000_000))
    receipt = world.settle(world.admit(), DOUBLE)
    assert receipt.billed_nano_usd == 6_000_000
    assert receipt.absorbed_nano_usd == 4_500_000
    assert (world.counter("s:1:a"), world.counter("abs:1")) == (6_000_000, 4_500_000)


def test_absorbed_cost_stops_admission_where_the_plan_says_so(world: HoldWorld) -> None:
    plan = free_plan(cap_nano_usd=6_000_000, absorbed_stop_nano_usd=4_500_000)
    world.put_plan(plan)
    world.settle(world.admit(), DOUBLE)
    world.put_plan(replace(plan, cap_nano_usd=DOLLAR))
    denial = world.deny()
    assert denial.reason is Reason.CAP_REACHED
    assert denial.level is not None
    assert (denial.level.level, denial.level.settled_nano_usd) == ("absorbed", 4_500_000)
    world.put_plan(replace(plan, cap_nano_usd=DOLLAR, absorbed_stop_nano_usd=4_500_001))
    assert world.admit()


def test_the_tightest_level_bounds_what_is_billed_on_all(world: HoldWorld) -> None:
    world.put_account(budgets=(Budget("search", {"team": "search"}, 7_000_000),))
    receipt = world.settle(world.admit(labels={"team": "search"}), DOUBLE)
    assert receipt.billed_nano_usd == 7_000_000
    assert world.counter("s:1:a") == world.counter("s:1:b/search") == 7_000_000


def test_a_budget_that_is_gone_bounds_nothing_and_its_counters_still_move(
    world: HoldWorld,
) -> None:
    world.put_account(budgets=(Budget("search", {"team": "search"}, 6_000_000),))
    hold = world.admit(labels={"team": "search"})
    world.put_account(budgets=())
    assert world.settle(hold, DOUBLE).absorbed_nano_usd == 0
    assert world.counter("s:1:b/search") == 10_500_000
    assert world.counter("h:1:b/search") == 0


def test_a_cap_lowered_below_what_is_held_takes_nothing_back(world: HoldWorld) -> None:
    hold = world.admit()
    world.put_plan(free_plan(cap_nano_usd=1_000))
    assert world.settle(hold, DOUBLE).billed_nano_usd == HELD


def test_old_documents_do_not_lose_a_settlement_but_get_todays(world: HoldWorld) -> None:
    hold, old = world.admit(), world.limits
    world.put_plan(free_plan(cap_nano_usd=1_000))
    answer = world.try_settle(hold, DOUBLE, limits=old)
    assert isinstance(answer, Stale)
    assert answer.plan is not None
    assert world.settle(hold, DOUBLE).billed_nano_usd == HELD


def test_a_settlement_goes_on_where_the_plan_is_gone(world: HoldWorld) -> None:
    hold, old = world.admit(), world.limits
    world.client.command("HSET", world.key("plan:free"), "gen", "9-x", "doc", "")
    assert world.settle(hold, limits=old).billed_nano_usd == COST


def test_a_settlement_that_finds_its_hold_live_is_on_time_whatever_the_clock_says(
    world: HoldWorld,
) -> None:
    hold = world.admit()
    world.advance(3_000)
    receipt = world.settle(hold)
    assert receipt.billed_nano_usd == COST
    assert world.entries()[-1]["k"] == b"settlement"


def test_a_late_settlement_lowers_what_the_expiry_charged(world: HoldWorld) -> None:
    hold = expired(world, OnExpiry.CHARGE)
    assert world.counter("s:1:a") == HELD
    receipt = world.settle(hold)
    assert (receipt.billed_nano_usd, receipt.state) == (COST, HoldState.SETTLED)
    assert (world.counter("s:1:a"), world.counter("h:1:a")) == (COST, 0)
    assert world.counter("inc:1") == COST


def test_a_late_settlement_raises_what_the_expiry_charged_where_there_is_room(
    world: HoldWorld,
) -> None:
    hold = expired(world, OnExpiry.CHARGE)
    assert world.settle(hold, DOUBLE).billed_nano_usd == 10_500_000
    assert world.counter("s:1:a") == 10_500_000


def test_a_late_settlement_after_a_release_charges_what_still_fits(world: HoldWorld) -> None:
    hold = expired(world, OnExpiry.RELEASE)
    assert world.counter("s:1:a") == 0
    world.put_plan(free_plan(cap_nano_usd=3_000_000))
    receipt = world.settle(hold)
    assert (receipt.billed_nano_usd, receipt.absorbed_nano_usd) == (3_000_000, 2_000_000)


def test_a_settlement_after_the_callers_own_release_is_a_correction(world: HoldWorld) -> None:
    hold = world.admit()
    world.release(hold)
    assert world.settle(hold).billed_nano_usd == COST
    assert [entry["n"] for entry in world.entries() if "n" in entry] == [0, 1]
    assert world.entries()[-1]["k"] == b"correction"


def test_only_its_principal_or_a_meter_may_settle_a_hold(world: HoldWorld) -> None:
    hold, thief = world.admit(), Principal("key/other/laptop")
    answer = world.try_settle(hold, principal=thief)
    assert isinstance(answer, Denial)
    assert answer.reason is Reason.HOLD_NOT_YOURS
    assert world.settle(hold, principal=thief, may_meter_any=True).billed_nano_usd == COST
    answer = world.try_settle(hold, principal=thief)
    assert isinstance(answer, Denial)


def test_a_hold_that_never_was_is_not_found(world: HoldWorld) -> None:
    known = ref(world.admit())
    wrong = (
        replace(known, request_key="A" * 16),
        replace(known, attempt=2),
        replace(known, admitted_ms=known.admitted_ms + 1),
    )
    for hold in wrong:
        answer = world.try_settle(hold)
        assert isinstance(answer, Denial)
        assert answer.reason is Reason.HOLD_NOT_FOUND
    assert world.counter("s:1:a") == 0


def test_a_hold_of_an_earlier_epoch_is_too_old(world: HoldWorld) -> None:
    answer = world.try_settle(replace(ref(world.admit()), epoch=0))
    assert isinstance(answer, Denial)
    assert answer.reason is Reason.HOLD_TOO_OLD


def test_past_the_replay_window_nothing_is_charged_any_more(world: HoldWorld) -> None:
    hold = expired(world, OnExpiry.RELEASE)
    world.now_us += 2 * HOUR_US
    answer = world.try_settle(hold)
    assert isinstance(answer, Denial)
    assert answer.reason is Reason.HOLD_TOO_OLD
    assert world.counter("s:1:a") == 0


def test_included_credit_pays_first_and_the_meter_the_rest(world: HoldWorld) -> None:
    world.put_plan(
        free_plan(
            cap_nano_usd=None,
            ceiling_nano_usd=DOLLAR,
            included_credit_nano_usd=7_000_000,
            overage=Overage.METERED,
        )
    )
    receipt = world.settle(world.admit())
    assert (receipt.included_nano_usd, receipt.metered_nano_usd) == (COST, 0)
    receipt = world.settle(world.admit())
    assert (receipt.included_nano_usd, receipt.metered_nano_usd) == (2_000_000, 3_000_000)


def test_a_correction_gives_back_metered_money_first(world: HoldWorld) -> None:
    world.put_plan(
        free_plan(
            cap_nano_usd=None,
            ceiling_nano_usd=DOLLAR,
            included_credit_nano_usd=4_000_000,
            overage=Overage.METERED,
        )
    )
    hold = world.admit()
    world.advance(120)
    world.sweep()
    receipt = world.settle(hold, Usage(1_000, 0, 0, 500))
    assert receipt.billed_nano_usd == 3_000_000
    assert (receipt.included_nano_usd, receipt.metered_nano_usd) == (3_000_000, 0)
    assert world.counter("inc:1") == 3_000_000
    entry = world.entries()[-1]
    assert (entry["ic"], entry["me"], entry["b"]) == (-1_000_000, -1_250_000, -2_250_000)


def test_a_hold_is_funded_as_the_plan_that_it_was_made_under_says(world: HoldWorld) -> None:
    hold = world.admit()
    world.put_plan(
        free_plan(
            name=PlanName("payg"),
            cap_nano_usd=None,
            ceiling_nano_usd=DOLLAR,
            included_credit_nano_usd=0,
            overage=Overage.METERED,
        )
    )
    world.put_account(plan=PlanName("payg"))
    assert world.settle(hold).metered_nano_usd == 0
    assert world.settle(world.admit()).metered_nano_usd == COST


def test_each_threshold_is_alerted_once_a_period(world: HoldWorld) -> None:
    world.put_plan(free_plan(cap_nano_usd=12_000_000, alert_percents=(40, 80, 100)))
    world.settle(world.admit())
    assert [entry["pc"] for entry in world.entries("alert")] == [40]
    world.settle(world.admit())
    assert [entry["pc"] for entry in world.entries("alert")] == [40, 80]
    alert = world.entries("alert")[-1]
    assert (alert["sa"], alert["am"], alert["b"]) == (10_000_000, 9_600_000, 0)


def test_one_settlement_can_reach_several_thresholds(world: HoldWorld) -> None:
    world.put_plan(free_plan(cap_nano_usd=6_000_000))
    world.settle(world.admit(), DOUBLE)
    assert [entry["pc"] for entry in world.entries("alert")] == [80, 100]


def test_an_entry_says_all_that_a_bill_needs(world: HoldWorld) -> None:
    hold = world.admit("r", labels={"team": "search"})
    world.settle(hold, Usage(900, 50, 50, 700, 100))
    entry = world.entries("settlement")[0]
    assert (entry["u"], entry["e"], entry["q"]) == (world.uid.encode(), 1, 2)
    assert (entry["id"], entry["a"], entry["n"], entry["st"]) == (b"r", 1, 0, b"settled")
    assert entry["us"] == [900, 50, 50, 700, 100]
    assert entry["sa"] == entry["b"] == entry["co"] == world.counter("s:1:a")
    assert entry["hd"] == hold.held_nano_usd
    assert entry["pr"] == b"service/edge"
