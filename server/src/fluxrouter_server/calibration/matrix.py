"""Features of many prompts as matrices, and the few directions of hashed words worth learning.

Hashed words are many (thousands) and labels are few (hundreds), so weights are learned along the
main directions in which the training texts differ by their words, weighted by rarity (latent
semantic analysis). The directions are found by a randomised range finder (Halko, Martinsson, Tropp
2011, algorithm 4.4) with a fixed start, and need no labels.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fluxrouter_server.routing.features import BUCKETS, DENSE_NAMES, Features

FloatArray = npt.NDArray[np.float64]

# Directions of hashed words; more gained nothing in cross-validation and cost time.
_DIRECTIONS = 64
_OVERSAMPLING = 10
# With fewer rows for each direction the last directions are single prompts.
_ROWS_PER_DIRECTION = 4
# Directions are found on at most so many rows, which bounds memory; all rows train along them.
_MOST_ROWS_FOR_DIRECTIONS = 2048
# A word of one prompt alone says nothing about others.
_LEAST_PROMPTS_PER_BUCKET = 2
_MOST_DEVIATIONS = 3.0  # as the model clips them


@dataclass(frozen=True, slots=True)
class Standard:
    """Means and scales of the dense features in the training data; scales are above 0."""

    means: FloatArray
    scales: FloatArray

    def apply(self, dense: FloatArray) -> FloatArray:
        """Return deviations, clipped as the model clips them."""
        deviations: FloatArray = (dense - self.means) / self.scales
        return np.clip(deviations, -_MOST_DEVIATIONS, _MOST_DEVIATIONS)


@dataclass(frozen=True, slots=True)
class Directions:
    """Directions of hashed words: `loadings` is buckets × directions, rarity included."""

    loadings: npt.NDArray[np.float32]

    def apply(self, features: Sequence[Features]) -> FloatArray:
        """Return the coordinates of prompts, one row each."""
        rows = np.zeros((len(features), self.loadings.shape[1]))
        for row, one in enumerate(features):
            if one.buckets:
                total = self.loadings[list(one.buckets)].sum(axis=0, dtype=np.float64)
                rows[row] = total / len(one.buckets) ** 0.5
        return rows


def dense_matrix(features: Sequence[Features]) -> FloatArray:
    """Return the dense features, one row for each prompt."""
    return np.array([one.dense for one in features], dtype=np.float64).reshape(
        len(features), len(DENSE_NAMES)
    )


def standard_of(dense: FloatArray) -> Standard:
    """Return the means and scales of training rows; a constant feature gets the scale 1."""
    scales = dense.std(axis=0)
    return Standard(dense.mean(axis=0), np.where(scales > 1e-9, scales, 1.0))  # noqa: PLR2004


def directions_of(features: Sequence[Features]) -> Directions:
    """Return the main directions of the words of training prompts, in hash order."""
    sample = features[:_MOST_ROWS_FOR_DIRECTIONS]
    prompts = np.zeros(BUCKETS)
    for one in sample:
        prompts[list(one.buckets)] += 1
    used = np.flatnonzero(prompts >= _LEAST_PROMPTS_PER_BUCKET)
    wanted = min(_DIRECTIONS, len(sample) // _ROWS_PER_DIRECTION, len(used))
    loadings = np.zeros((BUCKETS, wanted), dtype=np.float32)
    if wanted:
        rarity = np.log(len(sample) / prompts[used]).astype(np.float32)
        columns = np.full(BUCKETS, -1)
        columns[used] = np.arange(len(used))
        words = _word_matrix(sample, columns, rarity)
        loadings[used] = _range(words, wanted) * rarity[:, None]
    return Directions(loadings)


def _word_matrix(
    sample: Sequence[Features],
    columns: npt.NDArray[np.int64],
    rarity: npt.NDArray[np.float32],
) -> npt.NDArray[np.float32]:
    """Return the words of each prompt by their rarity; -1 in `columns` is a bucket left out."""
    words = np.zeros((len(sample), len(rarity)), dtype=np.float32)
    for row, one in enumerate(sample):
        if one.buckets:
            places = columns[list(one.buckets)]
            places = places[places >= 0]
            words[row, places] = rarity[places] / len(one.buckets) ** 0.5
    return words


def _range(words: npt.NDArray[np.float32], wanted: int) -> npt.NDArray[np.float32]:
    """Return the leading right singular vectors, as columns."""
    width = min(wanted + _OVERSAMPLING, *words.shape)
    start = np.random.default_rng(0).standard_normal((words.shape[0], width)).astype(np.float32)
    basis, _ = np.linalg.qr(words @ (words.T @ start))
    small = basis.T @ words
    # The squares of singular values, rising: a small problem, where a decomposition of `small` is
    # not.
    squares, left = np.linalg.eigh(small @ small.T)
    leading = left[:, ::-1][:, :wanted]
    scales = np.sqrt(np.maximum(squares[::-1][:wanted], 1e-12))
    vectors: npt.NDArray[np.float32] = (small.T @ leading) / scales
    return vectors
