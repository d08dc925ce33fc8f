"""How well an order of prompts decides who gets the strong model: recovered quality over its share.

Send the prompts with the highest score to the strong model and the rest to the weak one. The share
of the gap between "weak everywhere" (0) and "strong everywhere" (1) that this recovers, as the
share of strong calls grows, is the curve. APGR is the area under it (random = 0.5); CPT50 is the
share of strong calls that recovers half of the gap. Both as in RouteLLM (arXiv 2406.18665). Prompts
with equal scores count as sent in random order, so that ties and the order of a file earn nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from fluxrouter_server.calibration.dataset import NoGapError
from fluxrouter_server.calibration.matrix import FloatArray
from fluxrouter_server.domain.catalog import Tier
from fluxrouter_server.routing.tier_model import QUALITY_PLACES


@dataclass(frozen=True, slots=True)
class RecoveryCurve:
    """A curve from (0, 0) to (1, 1), straight between its points, which have rising shares."""

    shares: FloatArray
    recovered: FloatArray

    @property
    def area(self) -> float:
        """APGR: the mean of what is recovered over all shares of strong calls."""
        return float(np.trapezoid(self.recovered, self.shares))

    def share_for(self, recovered: float) -> float:
        """Return the least share of strong calls that recovers this much of the gap."""
        reached = int(np.argmax(self.recovered >= recovered))
        if reached == 0:
            return 0.0
        left, right = self.recovered[reached - 1], self.recovered[reached]
        part = (recovered - left) / (right - left)
        return float(self.shares[reached - 1] * (1 - part) + self.shares[reached] * part)


def recovery_curve(
    gains: FloatArray, scores: FloatArray, counts: FloatArray | None = None
) -> RecoveryCurve:
    """Return the curve of sending the highest scores first.

    `gains` is by how much the strong model was better on each prompt, -1 to 1. `counts` says how
    often each prompt counts (1 by default); a bootstrap draws them.

    Raises:
        NoGapError: if the gains do not add up to more than 0.
    """
    weights = np.ones(len(gains)) if counts is None else counts
    order = np.argsort(-scores, kind="stable")
    ordered = scores[order]
    # Each run of equal scores is one straight piece of the curve: its mean over all orders.
    ends = np.append(np.flatnonzero(ordered[1:] != ordered[:-1]), len(order) - 1)
    shares = np.cumsum(weights[order])[ends]
    recovered = np.cumsum((weights * gains)[order])[ends]
    if recovered[-1] <= 0:
        raise NoGapError("the gains do not add up to more than 0: there is no gap to recover")
    return RecoveryCurve(
        np.concatenate(([0.0], shares / shares[-1])),
        np.concatenate(([0.0], recovered / recovered[-1])),
    )


def choices_at(
    quality: FloatArray, tiers: Sequence[Tier], costs: Mapping[Tier, float], cost_weight: float
) -> npt.NDArray[np.intp]:
    """Return the place of the best tier for each row of expected qualities, as the policy does."""
    relative = np.array([costs[tier] for tier in tiers]) / max(costs.values())
    utility = np.round(quality - cost_weight * relative, QUALITY_PLACES)
    best: npt.NDArray[np.intp] = np.argmax(utility, axis=1)
    return best


def cost_weight_for(
    quality: FloatArray, tiers: Sequence[Tier], costs: Mapping[Tier, float], target: float
) -> float:
    """Return the least cost weight whose mean cost is at most a target, to four decimal places.

    The mean cost never rises with the weight. Labels are not looked at.
    """
    spent = np.array([costs[tier] for tier in tiers])
    low, high = 0.0, max(costs.values()) / (min(costs.values()) or 1.0)
    while high - low > 1e-5:  # noqa: PLR2004 - finer than a weight's four decimal places
        middle = (low + high) / 2
        if spent[choices_at(quality, tiers, costs, middle)].mean() > target:
            low = middle
        else:
            high = middle
    return round(high + 5e-5, 4)
