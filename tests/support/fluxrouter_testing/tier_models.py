"""Tier models made by hand, so that what they must answer is known without training."""

from array import array
from collections.abc import Mapping

from fluxrouter_server.domain.catalog import Tier
from fluxrouter_server.routing.features import BUCKETS, DENSE_NAMES
from fluxrouter_server.routing.model_file import read_model, write_model
from fluxrouter_server.routing.tier_model import TierModel, TierWeights

_NOTHING: Mapping[str, float] = {}


def tier_weights(
    tier: Tier,
    intercept: float = 0.0,
    dense: Mapping[str, float] = _NOTHING,
    buckets: Mapping[int, int] | None = None,
) -> TierWeights:
    """Return weights that are 0 but for the dense features and buckets that are named."""
    packed = array("b", bytes(BUCKETS))
    for bucket, weight in (buckets or {}).items():
        packed[bucket] = weight
    return TierWeights(
        tier=tier,
        intercept=intercept,
        dense=tuple(dense.get(name, 0.0) for name in DENSE_NAMES),
        bucket_step=0.01,
        buckets=packed,
    )


def tier_model(*weights: TierWeights, name: str = "by-hand") -> TierModel:
    """Return a model, with its hash, whose features have mean 0 and scale 1.

    Without weights every tier is estimated, each better than the cheaper one whatever is asked.
    """
    model = TierModel(
        name=name,
        weights=weights or tuple(tier_weights(tier, float(n)) for n, tier in enumerate(Tier)),
        means=(0.0,) * len(DENSE_NAMES),
        scales=(1.0,) * len(DENSE_NAMES),
        balanced_cost_weight=0.15,
        facts={"source": "made by hand"},
    )
    return read_model(write_model(model))
