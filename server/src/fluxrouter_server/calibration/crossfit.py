"""Judges a recipe on labels that it did not see: each fold by a model of the other folds."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from fluxrouter_server.calibration.dataset import Dataset
from fluxrouter_server.calibration.matrix import FloatArray
from fluxrouter_server.calibration.splits import FOLDS, fold_of, training_places
from fluxrouter_server.calibration.training import train
from fluxrouter_server.routing.features import Features
from fluxrouter_server.routing.tier_model import TierModel


@dataclass(frozen=True, slots=True)
class Predictions:
    """What models expected of prompts that they were not trained on.

    `quality` has a row for each prompt and a column for each tier. `groups` says which model judged
    each prompt; scores of different models are compared within their groups only. `most_trained` is
    the most labels that any of them was trained on, 0 where that is not known.
    """

    quality: FloatArray
    groups: FloatArray
    most_trained: int

    def at(self, places: list[int]) -> "Predictions":
        """Return the predictions of the rows at these places."""
        return Predictions(self.quality[places], self.groups[places], self.most_trained)

    def ranks(self, scores: FloatArray) -> FloatArray:
        """Return each score's rank within its group, from 0 to 1; equal scores share theirs.

        Each model thus sends the same share of its own prompts to the strong tier, as an operator
        would set it: pooling raw scores would compare intercepts that differ by chance, against the
        rows they judge.
        """
        ranks = np.empty(len(scores))
        for group in np.unique(self.groups):
            places = np.flatnonzero(self.groups == group)
            _, inverse, counts = np.unique(scores[places], return_inverse=True, return_counts=True)
            middle = np.cumsum(counts) - counts / 2
            ranks[places] = middle[inverse] / len(places)
        return ranks


def cross_fit(
    dataset: Dataset, *, folds: int = FOLDS, most_labels: int | None = None
) -> Predictions:
    """Return out-of-fold predictions of every row.

    Each model is trained on at most `most_labels` of the rows outside its fold.
    """
    features = dataset.features()
    groups = np.array([fold_of(prompt, folds) for prompt in dataset.prompts])
    quality = np.zeros((len(dataset.prompts), len(dataset.tiers)))
    most_trained = 0
    for fold in np.unique(groups):
        places = training_places(dataset.prompts, int(fold), folds, most_labels)
        most_trained = max(most_trained, len(places))
        rows = [features[place] for place in places]
        model = train(dataset.at(places), name=f"fold-{fold}", features=rows)
        held_out = np.flatnonzero(groups == fold)
        quality[held_out] = expected(model, [features[place] for place in held_out])
    return Predictions(quality, groups, most_trained)


def predict(model: TierModel, dataset: Dataset) -> Predictions:
    """Return a finished model's predictions for the tiers of a data set."""
    features = dataset.features()
    columns = [model.tiers.index(tier) for tier in dataset.tiers]
    quality = expected(model, features)[:, columns]
    return Predictions(quality, np.zeros(len(features), dtype=int), 0)


def expected(model: TierModel, features: Sequence[Features]) -> FloatArray:
    """Return a model's expected qualities, rows by tiers, as a server computes them."""
    return np.array([list(model.judge(one).expected_quality.values()) for one in features]).reshape(
        len(features), len(model.tiers)
    )
