"""A small linear model: from a prompt's features to the quality to expect of each tier.

One logistic function for each tier: intercept + dense weights · standardised dense features + the
weights of the prompt's buckets, divided by the square root of their number. Bucket weights are
small integers times a step, and sums of integers are exact in any order; dense sums are correctly
rounded (`fsum`); the result is rounded. So every replica, Python version and processor gets the
same numbers.
"""

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from math import exp, fsum, sqrt

from fluxrouter_server.domain.catalog import Tier
from fluxrouter_server.routing.features import Features

#: Decimal places of an expected quality. Differences below are noise, and would break ties by it.
QUALITY_PLACES = 6

# A prompt unlike all that was trained on must not be judged by a straight line into the unknown.
_MOST_DEVIATIONS = 3.0
#: Bucket weights are from -127 to 127.
LARGEST_BUCKET_WEIGHT = 127

# Adding up Python integers is most of the time of a judgement, so the weights of a bucket for up to
# three tiers are packed into one integer of 64 bits, and one sum serves them all. 20 bits hold the
# sum of a weight, made positive, over more buckets than a text can have.
_PACKED_BITS = 20
_PACKED_MASK = (1 << _PACKED_BITS) - 1
_OFFSET = LARGEST_BUCKET_WEIGHT + 1

# Where the logistic function is 0 or 1 to all places above; beyond, exp would overflow.
_STEEPEST = 40.0


@dataclass(frozen=True, slots=True)
class TierWeights:
    """What the model learned of one tier.

    `dense` has a weight for each dense feature, per standard deviation. `buckets` has a signed byte
    for each bucket, which counts `bucket_step`.
    """

    tier: Tier
    intercept: float
    dense: tuple[float, ...]
    bucket_step: float
    buckets: "array[int]"


@dataclass(frozen=True, slots=True)
class TierModel:
    """A trained model. `sha256` is that of the file it was read from, in hex; empty before.

    `means` and `scales` standardise the dense features; scales are above 0. `balanced_cost_weight`
    is the weight of cost that its training found a good balance (see `tier_choice`). `facts` say
    what it was trained on, for people.
    """

    name: str
    weights: tuple[TierWeights, ...]
    means: tuple[float, ...]
    scales: tuple[float, ...]
    balanced_cost_weight: float
    facts: Mapping[str, str]
    sha256: str = ""
    _packed: "array[int]" = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Pack the weights of buckets for judging."""
        object.__setattr__(self, "_packed", _pack([weights.buckets for weights in self.weights]))

    @property
    def tiers(self) -> tuple[Tier, ...]:
        """The tiers that the model can estimate, cheapest first."""
        return tuple(weights.tier for weights in self.weights)

    def judge(self, features: Features) -> "Judgement":
        """Return the quality to expect of each tier, and how the features deviate."""
        low, high = -_MOST_DEVIATIONS, _MOST_DEVIATIONS
        raw = [
            (value - mean) / scale
            for value, mean, scale in zip(features.dense, self.means, self.scales, strict=True)
        ]
        # No call for each: this loop is a fifth of the time of a decision.
        deviations = tuple([low if x < low else high if x > high else x for x in raw])
        wordings = self._wordings(features.buckets)
        quality = {
            weights.tier: _logistic(
                fsum(
                    (
                        weights.intercept,
                        wording,
                        *[w * x for w, x in zip(weights.dense, deviations, strict=True)],
                    )
                )
            )
            for weights, wording in zip(self.weights, wordings, strict=True)
        }
        return Judgement(quality, deviations, wordings)

    def _wordings(self, buckets: Sequence[int]) -> tuple[float, ...]:
        """Return the buckets' part of each tier's log-odds."""
        if not buckets:
            return (0.0,) * len(self.weights)
        total = sum(map(self._packed.__getitem__, buckets))
        offset, share = _OFFSET * len(buckets), 1.0 / sqrt(len(buckets))
        return tuple(
            [
                (((total >> place * _PACKED_BITS) & _PACKED_MASK) - offset)
                * weights.bucket_step
                * share
                for place, weights in enumerate(self.weights)
            ]
        )


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a model says of one prompt.

    `expected_quality` is 0 to 1 by tier. `deviations` are the dense features in standard deviations
    from what the model was trained on. `wordings` are the buckets' parts, by tier, in log-odds.
    """

    expected_quality: Mapping[Tier, float]
    deviations: tuple[float, ...]
    wordings: tuple[float, ...]


def _pack(columns: "Sequence[array[int]]") -> "array[int]":
    packed = [0] * len(columns[0])
    for place, column in enumerate(columns):
        shift = place * _PACKED_BITS
        packed = [
            low + ((weight + _OFFSET) << shift) for low, weight in zip(packed, column, strict=True)
        ]
    return array("q", packed)


def _logistic(log_odds: float) -> float:
    bounded = min(_STEEPEST, max(-_STEEPEST, log_odds))
    return round(1.0 / (1.0 + exp(-bounded)), QUALITY_PLACES)
