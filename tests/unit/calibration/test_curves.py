import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxrouter_server.calibration.curves import choices_at, cost_weight_for, recovery_curve
from fluxrouter_server.calibration.dataset import NoGapError
from fluxrouter_server.calibration.matrix import FloatArray
from fluxrouter_server.domain.catalog import Tier
from fluxrouter_server.routing.tier_choice import USUAL_COSTS

ALL = tuple(Tier)


def array(*values: float) -> FloatArray:
    return np.array(values, dtype=float)


def test_the_area_is_that_of_the_curve_drawn_by_hand() -> None:
    """Of four prompts the strong model gains on two, which come first and third.

    Recovered after 0, 1, 2, 3, 4 strong calls: 0, ½, ½, 1, 1. The trapezoids' mean is 0.625.
    """
    curve = recovery_curve(array(1, 0, 1, 0), array(0.9, 0.8, 0.7, 0.1))
    assert curve.recovered.tolist() == [0, 0.5, 0.5, 1, 1]
    assert curve.area == pytest.approx(0.625)
    assert curve.share_for(0.5) == 0.25
    assert curve.share_for(0.75) == pytest.approx(0.625)
    assert curve.share_for(1.0) == 0.75


def test_a_perfect_order_with_losses_recovers_more_than_the_whole_gap() -> None:
    """Gains 1, 1, 0, -1 add up to 1. Recovered: 0, 1, 2, 2, 1; the trapezoids' mean is 11/8."""
    curve = recovery_curve(array(-1, 0, 1, 1), array(0.1, 0.2, 0.4, 0.3))
    assert curve.area == pytest.approx(11 / 8)
    assert curve.share_for(0.5) == pytest.approx(0.125)


def test_the_worst_order_may_first_lose() -> None:
    """Recovered: 0, -1, -1, 0, 1. Half of the gap is passed between the third and fourth call."""
    curve = recovery_curve(array(-1, 0, 1, 1), array(4, 3, 2, 1))
    assert curve.area == pytest.approx((-0.5 - 1 - 0.5 + 0.5) / 4)
    assert curve.share_for(0.5) == pytest.approx(0.875)


@given(st.lists(st.sampled_from([-1, 0, 0, 1, 1]), min_size=1, max_size=30))
def test_equal_scores_are_chance_in_whatever_order_the_file_is(gains: list[int]) -> None:
    gains = [*gains, *[1] * (1 + gains.count(-1))]
    curve = recovery_curve(array(*gains), array(*[0.5] * len(gains)))
    assert curve.area == pytest.approx(0.5)
    assert curve.share_for(0.5) == pytest.approx(0.5)


@given(st.permutations(range(8)))
def test_the_order_of_rows_makes_no_difference(order: list[int]) -> None:
    gains, scores = array(1, 0, -1, 1, 0, 1, 1, -1), array(3, 3, 1, 2, 5, 5, 2, 2)
    shuffled = recovery_curve(gains[order], scores[order])
    assert shuffled.area == pytest.approx(recovery_curve(gains, scores).area)


def test_a_row_that_counts_twice_counts_as_two_rows() -> None:
    gains, scores = array(1, 0, 1), array(3, 2, 1)
    twice = recovery_curve(gains, scores, array(2, 1, 0))
    assert twice.area == pytest.approx(recovery_curve(array(1, 1, 0), array(3, 3, 2)).area)


@pytest.mark.parametrize("gains", [(0.0, 0.0), (1.0, -1.0), (-0.5, 0.25)])
def test_without_a_gap_there_is_no_curve(gains: tuple[float, ...]) -> None:
    with pytest.raises(NoGapError, match="no gap to recover"):
        recovery_curve(array(*gains), array(1, 2))


def test_choices_are_those_of_the_policy() -> None:
    quality = np.array([[0.9, 0.92, 0.93], [0.5, 0.9, 0.93], [0.2, 0.4, 0.9], [0.5, 0.5, 0.5]])
    assert choices_at(quality, ALL, USUAL_COSTS, 0.15).tolist() == [0, 1, 2, 0]
    assert choices_at(quality, ALL, USUAL_COSTS, 0.0).tolist() == [2, 2, 2, 0]


@given(st.floats(1.0, 30.0), st.integers(0, 99))
def test_the_cost_weight_is_the_least_that_keeps_to_the_target(target: float, seed: int) -> None:
    quality = np.random.default_rng(seed).random((40, 3))
    weight = cost_weight_for(quality, ALL, USUAL_COSTS, target)

    def cost(cost_weight: float) -> float:
        spent = np.array(list(USUAL_COSTS.values()))
        return float(spent[choices_at(quality, ALL, USUAL_COSTS, cost_weight)].mean())

    assert cost(weight) <= target
    assert weight <= 2e-4 or cost(weight - 2e-4) > target
