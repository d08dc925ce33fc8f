from hypothesis import given
from hypothesis import strategies as st

from fluxrouter_server.domain.funding import NOTHING, Funding, Split, correct, fund
from fluxrouter_server.domain.plans import Overage
from fluxrouter_testing.resources import amounts

METERED = Funding(Overage.METERED, 100)
FREE = Funding(Overage.NONE, 100)


def test_the_credit_pays_first_and_metered_use_the_rest() -> None:
    assert fund(30, funding=METERED, included_used_nano_usd=0) == Split(30, 0)
    assert fund(30, funding=METERED, included_used_nano_usd=90) == Split(10, 20)
    assert fund(30, funding=METERED, included_used_nano_usd=100) == Split(0, 30)


def test_credit_that_a_former_plan_used_beyond_this_ones_leaves_none() -> None:
    assert fund(30, funding=METERED, included_used_nano_usd=250) == Split(0, 30)


def test_a_plan_without_overage_meters_nothing_whatever_was_used_since() -> None:
    assert fund(30, funding=FREE, included_used_nano_usd=250) == Split(30, 0)


def test_a_correction_gives_back_metered_use_first() -> None:
    charged = Split(40, 60)
    assert correct(charged, 70, funding=METERED, included_used_nano_usd=100) == Split(0, -30)
    assert correct(charged, 10, funding=METERED, included_used_nano_usd=100) == Split(-30, -60)


def test_a_correction_upwards_is_funded_like_a_charge() -> None:
    assert correct(Split(40, 0), 70, funding=METERED, included_used_nano_usd=90) == Split(10, 20)


@given(
    st.sampled_from(Overage),
    amounts(),
    st.lists(st.lists(st.integers(0, 2**40), min_size=1, max_size=3), max_size=8),
)
def test_all_charges_and_corrections_add_up_and_no_part_is_negative(
    overage: Overage, credit: int, holds: list[list[int]]
) -> None:
    """Each hold is charged, then corrected to other amounts."""
    funding = Funding(overage, credit)
    included_used = 0
    for amounts_billed in holds:
        charged = NOTHING
        for billed in amounts_billed:
            change = correct(charged, billed, funding=funding, included_used_nano_usd=included_used)
            included_used += change.included_nano_usd
            charged = Split(
                charged.included_nano_usd + change.included_nano_usd,
                charged.metered_nano_usd + change.metered_nano_usd,
            )
            assert charged.billed_nano_usd == billed
            assert min(charged.included_nano_usd, charged.metered_nano_usd, included_used) >= 0
    if overage is Overage.METERED:
        assert included_used <= credit
