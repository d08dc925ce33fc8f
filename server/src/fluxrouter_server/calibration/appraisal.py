"""Turns predictions and labels into a report: model, length rule and chance on equal terms."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fluxrouter_server.calibration.crossfit import Predictions
from fluxrouter_server.calibration.curves import (
    RecoveryCurve,
    choices_at,
    cost_weight_for,
    recovery_curve,
)
from fluxrouter_server.calibration.dataset import Dataset
from fluxrouter_server.calibration.intervals import bootstrap
from fluxrouter_server.calibration.matrix import FloatArray
from fluxrouter_server.calibration.report import Balance, EqualQuality, Point, Report
from fluxrouter_server.domain.catalog import Tier

_HALF = 0.5
_RECOVERED = (0.5, 0.8, 0.9, 0.95)
_POINTS = 21


@dataclass(frozen=True, slots=True)
class Contest:
    """Two orders of the same prompts: the model's and that of the better length rule."""

    gains: FloatArray
    model: FloatArray
    length: FloatArray

    def figures(self, counts: FloatArray) -> tuple[float, float, float, float]:
        """Return APGR, that of the length rule, their difference, and CPT50."""
        curve = recovery_curve(self.gains, self.model, counts)
        length = recovery_curve(self.gains, self.length, counts).area
        return curve.area, length, curve.area - length, curve.share_for(_HALF)


def contest_of(dataset: Dataset, predictions: Predictions) -> Contest:
    """Return the contest between the cheapest and the dearest tier of a data set.

    Raises:
        NoGapError: if the dearest tier is not better than the cheapest.
    """
    scores = np.array(dataset.scores)
    gains = scores[:, -1] - scores[:, 0]
    model = predictions.ranks(predictions.quality[:, -1] - predictions.quality[:, 0])
    lengths = np.array(dataset.lengths())
    longest_first = recovery_curve(gains, lengths).area
    return Contest(gains, model, lengths if longest_first >= _HALF else -lengths)


def appraise(
    dataset: Dataset,
    predictions: Predictions,
    *,
    model: str,
    model_sha256: str,
    cost_weight: float,
    costs: Mapping[Tier, float],
) -> Report:
    """Return the report of predictions for labelled prompts whose every score is known.

    Raises:
        NoGapError: if the dearest tier is not better than the cheapest.
    """
    contest = contest_of(dataset, predictions)
    apgr, length, difference, cpt50 = bootstrap(contest.figures, len(dataset.prompts))
    curve = recovery_curve(contest.gains, contest.model)
    length_curve = recovery_curve(contest.gains, contest.length)
    scores = np.array(dataset.scores)
    trained = predictions.most_trained
    return Report(
        model=model,
        model_sha256=model_sha256,
        method=(
            f"each judged by a model of at most {trained} others (cross-validation)"
            if trained
            else "none of which the model must have seen"
        ),
        rows=len(dataset.prompts),
        trained_on=trained,
        accuracies={
            tier: float(value)
            for tier, value in zip(dataset.tiers, scores.mean(axis=0), strict=True)
        },
        apgr=apgr,
        cpt50=cpt50,
        length_apgr=length,
        gain_over_length=difference,
        equal_quality=_equal_quality(dataset, curve, length_curve, costs),
        balance=balance_of(dataset, predictions, cost_weight, costs),
        points=_points(scores, curve, length_curve),
    )


def balance_of(
    dataset: Dataset, predictions: Predictions, cost_weight: float, costs: Mapping[Tier, float]
) -> Balance:
    """Return accuracy and cost of choosing between all tiers at a cost weight."""
    chosen = choices_at(predictions.quality, dataset.tiers, costs, cost_weight)
    return _balance(dataset, chosen, cost_weight, costs)


def balance_at_cost(
    dataset: Dataset, predictions: Predictions, target: float, costs: Mapping[Tier, float]
) -> Balance:
    """Return what choosing comes to when it may cost `target` a request on the average.

    The cost weight of each group is set on what was predicted for the other groups, so neither
    labels nor prompts that it is judged on have a say.
    """
    chosen = np.zeros(len(dataset.prompts), dtype=np.intp)
    weights = []
    for group in np.unique(predictions.groups):
        judged = predictions.groups == group
        weight = cost_weight_for(predictions.quality[~judged], dataset.tiers, costs, target)
        chosen[judged] = choices_at(predictions.quality[judged], dataset.tiers, costs, weight)
        weights.append(weight)
    return _balance(dataset, chosen, float(np.mean(weights)), costs)


def _balance(
    dataset: Dataset,
    chosen: npt.NDArray[np.intp],
    cost_weight: float,
    costs: Mapping[Tier, float],
) -> Balance:
    """Return accuracy and cost of choices that were made, with their intervals."""
    right = np.array(dataset.scores)[np.arange(len(chosen)), chosen]
    spent = np.array([costs[tier] for tier in dataset.tiers])[chosen]

    def figures(counts: FloatArray) -> tuple[float, float]:
        return (float(right @ counts / counts.sum()), float(spent @ counts / counts.sum()))

    accuracy, cost = bootstrap(figures, len(chosen))
    shares = np.bincount(chosen, minlength=len(dataset.tiers)) / len(chosen)
    named = {tier.value: float(share) for tier, share in zip(dataset.tiers, shares, strict=True)}
    return Balance(cost_weight, accuracy, cost, named)


def _equal_quality(
    dataset: Dataset, curve: RecoveryCurve, length: RecoveryCurve, costs: Mapping[Tier, float]
) -> tuple[EqualQuality, ...]:
    cheap, dear = costs[dataset.tiers[0]], costs[dataset.tiers[-1]]
    rows = []
    for recovered in _RECOVERED:
        share = curve.share_for(recovered)
        rows.append(
            EqualQuality(
                recovered=recovered,
                share=share,
                length_share=length.share_for(recovered),
                cost=cheap + share * (dear - cheap),
                random_cost=cheap + recovered * (dear - cheap),
            )
        )
    return tuple(rows)


def _points(scores: FloatArray, curve: RecoveryCurve, length: RecoveryCurve) -> tuple[Point, ...]:
    weak, strong = float(scores[:, 0].mean()), float(scores[:, -1].mean())
    points = []
    for share in np.linspace(0.0, 1.0, _POINTS):
        model, by_length = (
            float(np.interp(share, one.shares, one.recovered)) for one in (curve, length)
        )
        points.append(
            Point(
                share=float(share),
                accuracy=weak + (strong - weak) * model,
                length_accuracy=weak + (strong - weak) * by_length,
                random_accuracy=weak + (strong - weak) * float(share),
            )
        )
    return tuple(points)
