"""Chooses the tier whose model is likely good enough: expected quality against cost, nothing else.

utility = expected quality − cost weight × relative cost, where a tier's relative cost is its cost
over that of the dearest tier, and the cost weight is what an operator sets with one dial. Hard
facts (what was asked for, context, capabilities, plan, health) come first and arrive here as the
permitted tiers. Equal utilities go to the cheaper tier, so that every replica chooses the same.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from fluxrouter_server.domain.catalog import Tier, TierCosts
from fluxrouter_server.routing.features import Features, extract
from fluxrouter_server.routing.reasons import reasons_for
from fluxrouter_server.routing.rules import TierDecision, nearest_permitted
from fluxrouter_server.routing.tier_model import QUALITY_PLACES, Judgement, TierModel

#: The dial's middle: the balance that the model's training found.
BALANCED_DIAL = 0.5

#: At most this many times the balanced weight, at the dial's end. With the usual balance of 0.15
#: and costs of 1, 10 and 30 it makes even a certain gain not worth a dearer tier.
_STEEPNESS = 25.0

#: Relative costs where nobody says what tiers cost.
USUAL_COSTS: Mapping[Tier, float] = TierCosts().by_tier()


@dataclass(frozen=True, slots=True)
class TierScore:
    """One tier that was weighed. All numbers are 0 to 1 but `utility`, which may be negative."""

    tier: Tier
    expected_quality: float
    relative_cost: float
    utility: float


@dataclass(frozen=True, slots=True)
class WeighedDecision(TierDecision):
    """A decision with what it was weighed by.

    `scores` are of the permitted tiers that the model can estimate, cheapest first. `margin` is how
    far the utility of the chosen one is above the next, 0 where there was nothing to weigh.
    `model_sha256` identifies the model.
    """

    scores: tuple[TierScore, ...]
    margin: float
    cost_weight: float
    model_sha256: str


@dataclass(frozen=True, slots=True)
class Policy:
    """What a choice weighs quality against.

    `costs` are of any one unit, above 0, for every tier. `cost_weight` is 0 or more.
    """

    costs: Mapping[Tier, float]
    cost_weight: float

    def __post_init__(self) -> None:
        """Check the ranges.

        Raises:
            ValueError: if a cost or the weight is out of range.
        """
        for tier in Tier:
            if not self.costs.get(tier, 0.0) > 0:
                raise ValueError(f"costs: {tier} costs nothing: give each tier a cost above 0")
        if not self.cost_weight >= 0:
            raise ValueError(f"cost_weight: {self.cost_weight} is below 0: use 0 or more")


def cost_weight_at(dial: float, balanced: float) -> float:
    """Return the cost weight for a dial from 0 (quality alone) to 1 (cost above all).

    0.5 gives `balanced`; the weight grows exponentially, so that the dial is fine where it matters.

    Raises:
        ValueError: if the dial is not from 0 to 1.
    """
    if not 0.0 <= dial <= 1.0:
        raise ValueError(f"dial: {dial} is not from 0 to 1: use 0 for quality, 1 for cost")
    exponent = dial / BALANCED_DIAL
    return balanced * (float(_STEEPNESS**exponent) - 1.0) / (_STEEPNESS - 1.0)


class WeighingTierChooser:
    """Chooses tiers by a model and a policy; the same for the same text everywhere.

    A `shadow` decides about the same features, and its decision goes, without reasons, with the one
    that counts.
    """

    def __init__(
        self, model: TierModel, policy: Policy, shadow: tuple[TierModel, Policy] | None = None
    ) -> None:
        self._active = (model, policy)
        self._shadow = shadow

    def choose(self, text: str, permitted: Sequence[Tier]) -> WeighedDecision:
        """Choose one of `permitted`, which are in the order of `Tier` and never empty."""
        features = extract(text)
        decision = _choose(text, features, self._active, permitted)
        if self._shadow is None:
            return decision
        shadow = _choose(text, features, self._shadow, permitted, explain=False)
        return replace(decision, shadow=shadow)


def choose_tier(
    text: str, model: TierModel, policy: Policy, permitted: Sequence[Tier] = tuple(Tier)
) -> WeighedDecision:
    """Return the best of the permitted tiers for a text.

    A tier that the model cannot estimate is chosen only where no other is permitted.

    Raises:
        ValueError: if no tier is permitted.
    """
    return _choose(text, extract(text), (model, policy), permitted)


def _choose(
    text: str,
    features: Features,
    by: tuple[TierModel, Policy],
    permitted: Sequence[Tier],
    *,
    explain: bool = True,
) -> WeighedDecision:
    model, policy = by
    if not permitted:
        raise ValueError("permitted: no tier is permitted: deny the request instead")
    judgement = model.judge(features)
    scores = weigh(judgement.expected_quality, policy, permitted)
    if not scores:
        return _unweighed(permitted, model, policy)
    ranked = sorted(scores, key=lambda score: -score.utility)  # stable: the cheaper one first
    reasons = _reasons(ranked[0], scores, model, judgement) if explain else ()
    if explain and not text.strip():
        reasons = ("there is no text to judge",)
    margin = ranked[0].utility - ranked[1].utility if len(ranked) > 1 else 0.0
    return WeighedDecision(
        tier=ranked[0].tier,
        reasons=reasons,
        scores=scores,
        margin=round(margin, QUALITY_PLACES),
        cost_weight=policy.cost_weight,
        model_sha256=model.sha256,
    )


def weigh(
    expected_quality: Mapping[Tier, float], policy: Policy, permitted: Sequence[Tier]
) -> tuple[TierScore, ...]:
    """Return the scores of the permitted tiers that have an estimate, cheapest first."""
    dearest = max(policy.costs.values())
    scores = []
    for tier in Tier:
        if tier in permitted and tier in expected_quality:
            quality, cost = expected_quality[tier], policy.costs[tier] / dearest
            utility = round(quality - policy.cost_weight * cost, QUALITY_PLACES)
            scores.append(TierScore(tier, quality, cost, utility))
    return tuple(scores)


def _reasons(
    best: TierScore, scores: Sequence[TierScore], model: TierModel, judgement: Judgement
) -> tuple[str, ...]:
    """Say why not the cheapest tier; of the cheapest, why not the dearest."""
    if len(scores) == 1:
        return (f"{best.tier} is the only tier to choose from",)
    other = scores[-1] if best is scores[0] else scores[0]
    figures = (
        f"expected quality {best.expected_quality:.2f} of {best.tier}"
        f" against {other.expected_quality:.2f} of {other.tier}"
        f" at {other.relative_cost / best.relative_cost:.2g} × its cost"
    )
    return (figures, *reasons_for(model, judgement, best.tier, other.tier))


def _unweighed(permitted: Sequence[Tier], model: TierModel, policy: Policy) -> WeighedDecision:
    tier = nearest_permitted(model.tiers[0], permitted)
    reason = f"the model has no estimate of {tier}, and no other tier can serve"
    return WeighedDecision(tier, (reason,), (), 0.0, policy.cost_weight, model.sha256)
