from fluxrouter_server.domain.accounts import Budget
from fluxrouter_server.domain.periods import Period
from fluxrouter_server.domain.pricing import Usage
from fluxrouter_server.services.ports.holds import SpendReading, Stale
from fluxrouter_testing.blocking_store import finish
from fluxrouter_testing.hold_documents import DOLLAR, HOUR_US, SECOND_US, free_plan
from fluxrouter_testing.hold_world import HoldWorld

COST = 5_000_000
DAY_US = 24 * HOUR_US


def opened(world: HoldWorld) -> Period:
    period = world.open_period
    assert period is not None
    return period


def test_a_new_period_starts_by_the_clock_alone(world: HoldWorld) -> None:
    world.settle(world.admit())
    first = opened(world)
    world.now_us = first.end_us - 1
    world.settle(world.admit())
    assert opened(world) == first
    world.now_us = first.end_us
    hold = world.admit()
    assert hold.headroom_nano_usd == DOLLAR - hold.held_nano_usd
    assert opened(world).start_us == first.end_us
    assert (world.counter("s:1:a"), world.counter("s:2:a")) == (2 * COST, 0)


def test_the_open_period_is_used_until_its_end_even_if_the_clock_steps_back(
    world: HoldWorld,
) -> None:
    world.settle(world.admit())
    first = opened(world)
    world.now_us = first.end_us
    world.settle(world.admit())
    world.now_us = first.end_us - DAY_US
    world.settle(world.admit())
    assert world.counter("s:2:a") == 2 * COST


def test_an_anchor_toggled_back_and_forth_is_no_fresh_dollar(world: HoldWorld) -> None:
    world.settle(world.admit())
    first = opened(world)
    for day in (15, 21, 28, 1, 22):
        world.put_account(anchor_day=day, time_zone="Asia/Tokyo" if day % 2 else "UTC")
        world.settle(world.admit())
        assert opened(world) == first
    assert world.counter("s:1:a") == 6 * COST


def test_a_proposal_that_does_not_contain_now_is_answered_with_the_stores_time(
    world: HoldWorld,
) -> None:
    past = Period(world.now_us - DAY_US, world.now_us)
    answer = world.ask(proposed_period=past)
    assert isinstance(answer, Stale)
    assert (answer.store_us, answer.open_period) == (world.now_us, None)
    assert (answer.account, answer.plan, answer.catalog) == (None, None, None)


def test_a_proposal_that_starts_within_the_old_period_is_refused(world: HoldWorld) -> None:
    world.admit()
    first = opened(world)
    world.now_us = first.end_us + SECOND_US
    answer = world.ask(proposed_period=Period(first.end_us - 1, first.end_us + DAY_US))
    assert isinstance(answer, Stale)
    assert answer.open_period == first


def test_a_hold_is_settled_to_the_period_that_it_was_made_in(world: HoldWorld) -> None:
    world.now_us = world.proposed.end_us - SECOND_US
    hold = world.admit()
    world.advance(60)
    world.settle(world.admit())
    world.settle(hold)
    assert (world.counter("s:1:a"), world.counter("s:2:a")) == (COST, COST)
    assert (world.counter("h:1:a"), world.counter("h:2:a")) == (0, 0)


def test_a_plan_change_opens_no_period(world: HoldWorld) -> None:
    world.settle(world.admit())
    first = opened(world)
    world.put_plan(free_plan(cap_nano_usd=2 * DOLLAR))
    world.settle(world.admit())
    assert opened(world) == first
    assert world.counter("s:1:a") == 2 * COST


def test_an_account_that_is_deleted_and_made_again_goes_on_counting(world: HoldWorld) -> None:
    world.settle(world.admit())
    uid = world.uid
    world.delete_account()
    world.put_account(display_name="Again")
    assert world.uid == uid
    world.settle(world.admit())
    assert world.counter("s:1:a") == 2 * COST


def test_a_budget_of_mid_period_counts_from_its_creation(world: HoldWorld) -> None:
    world.settle(world.admit(labels={"team": "search"}))
    world.put_account(budgets=(Budget("search", {"team": "search"}, 6_000_000),))
    world.settle(world.admit(labels={"team": "search"}))
    assert world.counter("s:1:b/search") == COST
    world.put_account(budgets=())
    world.put_account(budgets=(Budget("search", {"team": "search"}, 6_000_000),))
    assert world.deny(labels={"team": "search"}).level.level == "budget/search"


def test_a_period_closes_when_nothing_can_touch_it_any_more(world: HoldWorld) -> None:
    world.put_account(budgets=(Budget("search", {"team": "search"}, DOLLAR),))
    world.settle(world.admit(labels={"team": "search"}))
    first = opened(world)
    world.now_us = first.end_us
    world.admit()
    world.now_us = first.end_us + 2 * HOUR_US - 1
    world.sweep()
    assert world.entries("period-close") == []
    world.advance(0.000001)
    world.sweep()
    closing = world.entries("period-close")
    assert [(entry["p"], entry["sa"]) for entry in closing] == [(1, COST)]
    assert (closing[0]["ps"], closing[0]["pe"]) == (first.start_us, first.end_us)
    left = {name for name in world.fields() if ":1:" in name or name.endswith(":1")}
    assert left == set()


def test_the_period_of_an_idle_account_closes_too_and_never_opens_again(world: HoldWorld) -> None:
    world.settle(world.admit())
    first = opened(world)
    world.now_us = first.end_us + 2 * HOUR_US
    world.sweep()
    assert len(world.entries("period-close")) == 1
    limits = world.limits
    world.now_us = first.end_us - SECOND_US
    assert isinstance(world.ask(limits=limits), Stale)
    world.now_us = first.end_us + 40 * DAY_US
    assert world.admit().headroom_nano_usd < DOLLAR
    assert world.counter("pid") == 2


def test_a_late_settlement_of_a_closed_period_bills_nothing_more(world: HoldWorld) -> None:
    hold = late_hold(world)
    receipt = world.settle(hold, Usage(2_500, 0, 0, 2_000))
    assert (receipt.billed_nano_usd, receipt.absorbed_nano_usd) == (5_250_000, 5_250_000)
    entry = world.entries("correction")[0]
    assert (entry["b"], entry["cr"], entry["ab"]) == (0, 0, 5_250_000)
    assert "s:1:a" not in world.fields()


def test_a_late_refund_of_a_closed_period_is_a_credit_for_the_invoice(world: HoldWorld) -> None:
    hold = late_hold(world)
    receipt = world.settle(hold)
    assert (receipt.billed_nano_usd, receipt.absorbed_nano_usd) == (COST, 0)
    entry = world.entries("correction")[0]
    assert (entry["b"], entry["cr"]) == (0, 250_000)
    assert "s:1:a" not in world.fields()


def late_hold(world: HoldWorld) -> object:
    """A hold that was charged by its expiry, in a period that has been closed since."""
    end_us = world.proposed.end_us
    world.now_us = end_us - SECOND_US
    hold = world.admit()
    answer = world.extend(hold, expire_us=end_us + HOUR_US)
    world.now_us = end_us + HOUR_US
    world.sweep()
    assert world.counter("s:1:a") == 5_250_000, answer
    world.now_us = end_us + 2 * HOUR_US
    world.sweep()
    assert len(world.entries("period-close")) == 1
    return hold


def test_spend_reads_every_level_of_the_open_period(world: HoldWorld) -> None:
    budgets = (Budget("b", {"x": "1"}, DOLLAR), Budget("a", {"y": "2"}, 7))
    world.put_account(budgets=budgets)
    world.settle(world.admit(labels={"x": "1"}))
    held = world.admit().held_nano_usd
    reading = world.spend()
    assert reading.in_flight == 1
    assert [level.level for level in reading.levels] == ["account", "hour", "budget/a", "budget/b"]
    month, hour, first, second = reading.levels
    assert (month.settled_nano_usd, month.held_nano_usd, month.cap_nano_usd) == (COST, held, DOLLAR)
    assert (hour.settled_nano_usd, hour.cap_nano_usd) == (COST, None)
    assert (first.settled_nano_usd, second.settled_nano_usd) == (0, COST)
    assert reading.included_used_nano_usd == COST


def test_spend_of_a_period_that_has_ended_reads_as_a_new_one(world: HoldWorld) -> None:
    world.settle(world.admit())
    first = opened(world)
    world.now_us = first.end_us
    reading = world.spend()
    assert reading.period.start_us == first.end_us
    assert reading.levels[0].settled_nano_usd == 0
    assert opened(world) == first


def test_spend_compares_all_three_documents(world: HoldWorld) -> None:
    limits, period = world.limits, world.proposed
    assert isinstance(finish(world.holds.read_spend(limits, period)), SpendReading)
    world.client.command("HSET", world.key("catalog"), "gen", "77-abad1dea")
    answer = finish(world.holds.read_spend(limits, period))
    assert isinstance(answer, Stale)
    assert answer.catalog is not None


def test_a_sweep_that_ends_a_hold_and_closes_its_period_leaves_no_counter(world: HoldWorld) -> None:
    hold = world.admit()
    world.now_us = opened(world).end_us + 2 * HOUR_US
    world.sweep()
    assert world.entries("period-close")[0]["sa"] == hold.held_nano_usd
    assert {name for name in world.fields() if ":1:" in name or name.endswith(":1")} == set()


def test_a_period_in_which_all_was_denied_is_closed_as_well(world: HoldWorld) -> None:
    world.put_plan(free_plan(cap_nano_usd=0))
    world.deny()
    world.now_us = opened(world).end_us + 2 * HOUR_US
    world.sweep()
    assert [entry["sa"] for entry in world.entries("period-close")] == [0]


def test_a_period_with_any_number_of_levels_can_be_closed(world: HoldWorld) -> None:
    world.settle(world.admit())
    fields = [word for n in range(20_000) for word in (f"s:1:k/key-{n}", 1)]
    world.client.command("HSET", world.key(f"acct:{world.uid}"), *fields)
    world.now_us = opened(world).end_us + 2 * HOUR_US
    world.sweep()
    assert len(world.entries("period-close")) == 1
    assert [name for name in world.fields() if name.startswith("s:1:")] == []
