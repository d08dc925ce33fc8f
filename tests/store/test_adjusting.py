"""Usage corrections and invoice credits in the store (docs/protocol.md §8)."""

from collections.abc import Iterator

import pytest

from fluxrouter_server.domain.adjustments import Adjusted
from fluxrouter_server.domain.denials import Denial
from fluxrouter_server.domain.ids import KeyName
from fluxrouter_server.domain.ledger import EntryKind
from fluxrouter_server.domain.plans import Overage
from fluxrouter_server.services.ports.adjusting import Elsewhere
from fluxrouter_server.services.ports.ledger import NumberedPeriod
from fluxrouter_testing.hold_documents import DOLLAR, candidate, free_plan
from fluxrouter_testing.hold_world import HoldWorld
from fluxrouter_testing.valkey import ThrowawayValkey

CENT = DOLLAR // 100
TWO_MONTHS_SECONDS = 62 * 24 * 3600


@pytest.fixture
def world(shared_valkey: ThrowawayValkey) -> Iterator[HoldWorld]:
    world = HoldWorld(shared_valkey)
    yield world
    world.close()


def entries(world: HoldWorld) -> int:
    length: int = world.client.command("XLEN", world.key("ledger"))
    return length


def refusal(answer: object) -> str:
    assert isinstance(answer, Denial), answer
    return answer.message


def test_a_debit_bills_what_fits_and_absorbs_the_rest(world: HoldWorld) -> None:
    world.adjust(DOLLAR - 3)
    adjusted = world.adjust(10)
    assert (adjusted.funds.billed_nano_usd, adjusted.funds.absorbed_nano_usd) == (3, 7)
    assert adjusted.settled_after_nano_usd == world.counter("s:1:a") == DOLLAR
    assert world.counter("abs:1") == 7


def test_a_debit_leaves_what_holds_have_set_aside(world: HoldWorld) -> None:
    hold = world.admit()
    adjusted = world.adjust(DOLLAR)
    assert adjusted.funds.billed_nano_usd == DOLLAR - hold.held_nano_usd


def test_a_refund_gives_metered_money_back_first(world: HoldWorld) -> None:
    world.put_plan(free_plan(included_credit_nano_usd=2 * CENT, overage=Overage.METERED))
    world.adjust(5 * CENT)
    refund = world.adjust(-4 * CENT).funds
    assert (refund.metered_nano_usd, refund.included_nano_usd) == (-3 * CENT, -1 * CENT)
    assert (world.counter("s:1:a"), world.counter("inc:1")) == (CENT, CENT)


def test_more_than_is_settled_is_refused_and_nothing_is_written(world: HoldWorld) -> None:
    world.adjust(CENT)
    before = entries(world), world.fields()
    assert f"({CENT} nano-USD)" in refusal(world.try_adjust(-CENT - 1))
    assert (entries(world), world.fields()) == before


def test_a_correction_moves_the_counter_of_its_key(world: HoldWorld) -> None:
    world.adjust(CENT, key=KeyName("main"))
    assert world.counter("s:1:k/main") == world.counter("s:1:a") == CENT
    assert "key/other" in refusal(world.try_adjust(-CENT, key=KeyName("other")))


def test_the_same_id_is_written_once_and_answered_again(world: HoldWorld) -> None:
    first = world.adjust(CENT, id="mine")
    written = entries(world)
    world.advance(TWO_MONTHS_SECONDS)
    again = world.adjust(CENT, id="mine")
    assert again.replayed
    assert (again.time_us, again.funds, entries(world)) == (first.time_us, first.funds, written)


def test_an_invoice_credit_moves_no_counter(world: HoldWorld) -> None:
    world.adjust(CENT)
    credit = world.adjust(CENT, kind=EntryKind.INVOICE_CREDIT)
    assert credit.funds.credit_nano_usd == -credit.funds.cost_nano_usd == CENT
    assert credit.settled_after_nano_usd == world.counter("s:1:a") == CENT


def test_a_debit_that_passes_a_threshold_alerts(world: HoldWorld) -> None:
    world.put_plan(free_plan(alert_percents=(50,)))
    before = entries(world)
    world.adjust(60 * CENT)
    assert (entries(world) - before, world.counter("al:1")) == (2, 50)


def test_after_its_period_is_closed_a_debit_is_absorbed_and_a_refund_refused(
    world: HoldWorld,
) -> None:
    world.adjust(CENT)
    period = world.open_period
    assert period is not None
    world.advance(TWO_MONTHS_SECONDS)
    world.sweep()
    assert world.counter("cl") == 1
    instant_us = period.start_us
    assert isinstance(world.try_adjust(CENT, instant_us=instant_us), Elsewhere)
    closed = NumberedPeriod(1, period.start_us, period.end_us)
    message = refusal(world.try_adjust(-1, instant_us=instant_us, closed=closed))
    assert "credit an invoice" in message
    late = world.try_adjust(CENT, instant_us=instant_us, closed=closed)
    assert isinstance(late, Adjusted)
    assert (late.funds.absorbed_nano_usd, late.settled_after_nano_usd) == (CENT, None)
    assert world.counter("s:1:a") == 0


def test_a_hold_gives_back_no_more_than_an_operator_left(world: HoldWorld) -> None:
    hold = world.admit(candidates=(candidate(output_tokens=200_000),))
    world.advance(130)
    world.sweep()
    charged = world.counter("s:1:a")
    world.adjust(-charged)
    receipt = world.settle(hold)
    assert (world.counter("s:1:a"), receipt.billed_nano_usd) == (0, charged)
