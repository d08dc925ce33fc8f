from hashlib import sha256
from math import exp, sqrt

import pytest

from fluxrouter_server.domain.catalog import Tier
from fluxrouter_server.routing.features import DENSE_NAMES, Features, extract
from fluxrouter_server.routing.model_file import write_model
from fluxrouter_server.routing.tier_model import TierModel
from fluxrouter_testing.tier_models import tier_model, tier_weights

NOTHING = (0.0,) * len(DENSE_NAMES)


def quality(model: TierModel, features: Features) -> dict[Tier, float]:
    return dict(model.judge(features).expected_quality)


def with_feature(name: str, value: float) -> Features:
    return Features(tuple(value if name == one else 0.0 for one in DENSE_NAMES), ())


def test_expected_quality_is_the_logistic_of_the_weighted_features() -> None:
    model = tier_model(
        tier_weights(Tier.FAST, 0.5, {"commands": -2.0}), tier_weights(Tier.REASONING, 1.0)
    )
    judged = quality(model, with_feature("commands", 0.75))
    assert judged[Tier.FAST] == round(1 / (1 + exp(1.0)), 6)
    assert judged[Tier.REASONING] == round(1 / (1 + exp(-1.0)), 6)


def test_buckets_count_once_each_over_the_square_root_of_their_number() -> None:
    model = tier_model(
        tier_weights(Tier.FAST, buckets={7: 127, 8: -127, 9: 50}),
        tier_weights(Tier.STANDARD, buckets={7: -100}),
        tier_weights(Tier.REASONING, buckets={32767: 1}),
    )
    wordings = model.judge(Features(NOTHING, (7, 9, 10, 32767))).wordings
    assert wordings == pytest.approx((177 * 0.01 / sqrt(4), -1.0 / sqrt(4), 0.01 / sqrt(4)))


@pytest.mark.parametrize("weight", [127, -127])
def test_sums_of_the_largest_weights_do_not_run_into_each_other(weight: int) -> None:
    buckets = dict.fromkeys(range(1023), weight)
    model = tier_model(
        *(tier_weights(tier, buckets=buckets if tier is Tier.STANDARD else {}) for tier in Tier)
    )
    wordings = model.judge(Features(NOTHING, tuple(range(1023)))).wordings
    assert wordings == pytest.approx((0.0, weight * 0.01 * sqrt(1023), 0.0))


def test_the_order_of_buckets_makes_no_difference() -> None:
    buckets = {place: place % 251 - 125 for place in range(500)}
    model = tier_model(*(tier_weights(tier, buckets=buckets) for tier in Tier))
    forward = Features(NOTHING, tuple(range(500)))
    backward = Features(NOTHING, tuple(reversed(range(500))))
    assert model.judge(forward) == model.judge(backward)


def test_a_prompt_far_from_all_training_is_judged_as_one_at_the_edge() -> None:
    model = tier_model(
        tier_weights(Tier.FAST, 0.0, {"word count": -1.0}), tier_weights(Tier.REASONING)
    )
    edge = quality(model, with_feature("word count", 3.0))
    assert quality(model, with_feature("word count", 1e6)) == edge


@pytest.mark.parametrize("log_odds,expected", [(1e5, 1.0), (-1e5, 0.0)])
def test_quality_stays_within_0_and_1_however_large_weights_are(
    log_odds: float, expected: float
) -> None:
    model = tier_model(tier_weights(Tier.FAST, log_odds), tier_weights(Tier.REASONING))
    assert quality(model, extract("x"))[Tier.FAST] == expected


def test_the_hash_of_a_model_is_that_of_its_file() -> None:
    model = tier_model()
    assert model.sha256 == sha256(write_model(model)).hexdigest()
    assert model.sha256 != tier_model(name="another").sha256


def test_an_empty_prompt_is_judged_by_the_intercepts_and_the_means() -> None:
    judged = tier_model().judge(extract(""))
    assert judged.wordings == (0.0, 0.0, 0.0)
    assert judged.expected_quality[Tier.FAST] == 0.5
