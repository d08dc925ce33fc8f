"""Fits a tier model to labelled prompts: logistic regressions that share what makes prompts hard.

The log-odds of tier t are c_t + z·(w + v_t): one direction w of difficulty that all tiers share,
and a deviation v_t for each, both with Gaussian priors (a ridge penalty), fitted together by
Newton's method. Sharing matters because what routing needs is the *difference* between tiers, which
is far noisier in a few hundred labels than difficulty is. Scores between 0 and 1 count as fractions
of an answer; a score that is not known says nothing. The penalties are the same for every data set:
they were chosen once, on several of them by cross-validation, and are not tuned to the labels at
hand, which are too few for that.
"""

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from fluxrouter_server.calibration.dataset import Dataset
from fluxrouter_server.calibration.matrix import (
    Directions,
    FloatArray,
    dense_matrix,
    directions_of,
    standard_of,
)
from fluxrouter_server.routing.features import Features, extract
from fluxrouter_server.routing.tier_model import LARGEST_BUCKET_WEIGHT, TierModel, TierWeights
from fluxrouter_server.routing.vocabulary import FIELDS

#: The usual weight of cost, where nothing else sets it: a tier that costs a third of the dearest
#: more must be 5 points better.
USUAL_COST_WEIGHT = 0.15

# Precisions of the priors of the shared direction: of scalars, of fields and of hashed words.
_SCALAR_PENALTY = 300.0
_FIELD_PENALTY = 2400.0
_WORD_PENALTY = 8.0
# How many times tighter the priors of the tiers' deviations are.
_DEVIATION_FACTOR = 3.0
_WORD_DEVIATION_FACTOR = 5.0
_INTERCEPT_PENALTY = 1e-3

# Newton's method converges quadratically here; the last of these changes nothing visible.
_STEPS = 6
_LEAST_CURVATURE = 1e-3
_SIGNIFICANT_DIGITS = 7


@dataclass(frozen=True, slots=True)
class _Fit:
    """Intercepts by tier, and weights as tiers × columns."""

    intercepts: FloatArray
    weights: FloatArray


def train(
    dataset: Dataset,
    *,
    name: str,
    facts: Mapping[str, str] | None = None,
    cost_weight: float = USUAL_COST_WEIGHT,
    features: Sequence[Features] | None = None,
    words: bool = True,
    certainty: float = 1.0,
) -> TierModel:
    """Return a model trained on all rows of a data set.

    Its `sha256` is empty until it is written and read again. `features` are those of the prompts,
    where the caller has them already. Without `words` only the named features are learned, for
    labels whose wording is not that of the traffic to come. Each label counts as `certainty` draws
    with its score as their mean.
    """
    extracted = features or dataset.features()
    dense = dense_matrix(extracted)
    standard = standard_of(dense)
    directions = directions_of(extracted if words else [])
    columns = np.hstack([standard.apply(dense), directions.apply(extracted)])
    shared, own = _penalties(directions)
    fit = _fit(columns, np.array(dataset.scores), shared / certainty, own / certainty)
    return TierModel(
        name=name,
        weights=_weights(dataset, fit, directions, dense.shape[1]),
        means=_rounded(standard.means),
        scales=_rounded(standard.scales),
        balanced_cost_weight=cost_weight,
        facts={"labels": str(len(dataset.prompts)), **(facts or {})},
    )


def _penalties(directions: Directions) -> tuple[FloatArray, FloatArray]:
    """Return the penalties of the shared weights and of the deviations, by column."""
    fields = len(FIELDS)
    words = directions.loadings.shape[1]
    scalars = len(extract("").dense) - fields
    blocks = (
        (scalars, _SCALAR_PENALTY, _DEVIATION_FACTOR),
        (fields, _FIELD_PENALTY, _DEVIATION_FACTOR),
        (words, _WORD_PENALTY, _WORD_DEVIATION_FACTOR),
    )
    shared = np.concatenate([np.full(width, penalty) for width, penalty, _ in blocks])
    own = np.concatenate([np.full(width, penalty * factor) for width, penalty, factor in blocks])
    return shared, own


def _fit(columns: FloatArray, scores: FloatArray, shared: FloatArray, own: FloatArray) -> _Fit:
    """Find the weights of the highest posterior probability by Newton's method."""
    tiers, width = scores.shape[1], columns.shape[1]
    penalty = np.concatenate([np.full(tiers, _INTERCEPT_PENALTY), shared, np.tile(own, tiers)])
    solution = np.zeros(len(penalty))
    known = ~np.isnan(scores)
    right = np.where(known, scores, 0.0)
    rates = np.clip(right.sum(axis=0) / known.sum(axis=0), 0.02, 0.98)
    solution[:tiers] = np.log(rates / (1 - rates))
    for _ in range(_STEPS):
        fit = _unpack(solution, tiers, width)
        expected = 1 / (1 + np.exp(-(fit.intercepts + columns @ fit.weights.T)))
        curvature = np.maximum(expected * (1 - expected), _LEAST_CURVATURE) * known
        hessian, gradient = _newton(columns, curvature, (right - expected) * known)
        hessian[np.diag_indices(len(penalty))] += penalty
        solution = solution + np.linalg.solve(hessian, gradient - penalty * solution)
    return _unpack(solution, tiers, width)


def _unpack(solution: FloatArray, tiers: int, width: int) -> _Fit:
    """Take intercepts, shared weights and deviations apart."""
    shared = solution[tiers : tiers + width]
    own = solution[tiers + width :].reshape(tiers, width)
    return _Fit(solution[:tiers], shared + own)


def _newton(
    columns: FloatArray, curvature: FloatArray, errors: FloatArray
) -> tuple[FloatArray, FloatArray]:
    """Return Hessian and gradient of the log-likelihood, ordered as `_unpack` takes them."""
    tiers, width = errors.shape[1], columns.shape[1]
    size = tiers + width * (tiers + 1)
    shared = slice(tiers, tiers + width)
    hessian, gradient = np.zeros((size, size)), np.zeros(size)
    for tier in range(tiers):
        own = slice(tiers + width * (tier + 1), tiers + width * (tier + 2))
        weighted = columns * curvature[:, tier : tier + 1]
        block, border = weighted.T @ columns, weighted.sum(axis=0)
        hessian[tier, tier] = curvature[:, tier].sum()
        for part in (shared, own):
            hessian[tier, part] = hessian[part, tier] = border
            hessian[part, own] = hessian[own, part] = block
            gradient[part] += columns.T @ errors[:, tier]
        hessian[shared, shared] += block
        gradient[tier] = errors[:, tier].sum()
    return hessian, gradient


def _weights(
    dataset: Dataset, fit: _Fit, directions: Directions, dense: int
) -> tuple[TierWeights, ...]:
    """Turn a fit into the weights of a model: rounded, and those of buckets as integers."""
    weights = []
    for place, tier in enumerate(dataset.tiers):
        row = fit.weights[place]
        buckets = directions.loadings.astype(np.float64) @ row[dense:]
        step = float(np.abs(buckets).max()) / LARGEST_BUCKET_WEIGHT or 1.0
        weights.append(
            TierWeights(
                tier=tier,
                intercept=_rounded(fit.intercepts)[place],
                dense=_rounded(row[:dense]),
                bucket_step=step,
                buckets=array("b", np.rint(buckets / step).astype(int).tolist()),
            )
        )
    return tuple(weights)


def _rounded(values: FloatArray) -> tuple[float, ...]:
    """Keep a file's numbers short; digits beyond are far below what labels can tell."""
    return tuple(float(f"{value:.{_SIGNIFICANT_DIGITS}g}") for value in values)
