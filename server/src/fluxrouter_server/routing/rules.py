"""Choosing the tier of a request: the interface, and a plain rule that always works.

The rule looks at length and at a few words. It knows nothing of quality; a trained model can take
its place behind the same interface.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from fluxrouter_server.domain.catalog import Catalog, Tier

# Bounds the time of a decision; what a request is about shows in its beginning.
_READ_CHARACTERS = 2048
# About a page: shorter requests are mostly questions that a small model answers.
_LONG_CHARACTERS = 2000

_REASONING = re.compile(
    r"\b(prove|proof|theorem|derive|integral|step[ -]by[ -]step|optimi[sz]e|algorithm|"
    r"trade-?offs?|root cause|debug)\b|[∑∫√≤≥∀∃]|\\frac|\\sum",
    re.IGNORECASE,
)
_CODE = re.compile(r"```|\b(def|class|function|import|SELECT|traceback)\b")


@dataclass(frozen=True, slots=True)
class TierDecision:
    """The tier of a request, and why in words.

    `shadow` is what a policy beside the one in force would have decided, None where there is none.
    """

    tier: Tier
    reasons: tuple[str, ...]
    shadow: "TierDecision | None" = field(default=None, kw_only=True)


class TierChooser(Protocol):
    """Chooses the tier of a request; deterministic, so that every replica chooses the same."""

    def choose(self, text: str, permitted: Sequence[Tier]) -> TierDecision:
        """Choose one of `permitted`, which are in the order of `Tier` and never empty."""
        ...


class TierChoosers(Protocol):
    """Knows which chooser a catalog asks for."""

    def of(self, catalog: Catalog) -> TierChooser:
        """Return the chooser; cheap where the catalog is the one of the call before."""
        ...


class PlainTierRule:
    """Mathematics and proofs reason; code and long texts are standard; the rest is fast."""

    def of(self, _: Catalog) -> TierChooser:
        """Return itself: it decides alike for every catalog."""
        return self

    def choose(self, text: str, permitted: Sequence[Tier]) -> TierDecision:
        """Choose by length and words of the first 2048 characters."""
        wanted, reason = _wanted(text)
        tier = nearest_permitted(wanted, permitted)
        if tier is wanted:
            return TierDecision(tier, (reason,))
        return TierDecision(tier, (reason, f"no model of the tier {wanted} can serve it"))


def nearest_permitted(wanted: Tier, permitted: Sequence[Tier]) -> Tier:
    """Return the wanted tier, else the cheapest that is dearer, else the dearest of all.

    Dearer first: a model that is too good answers, one that is too weak may not.
    """
    order = list(Tier)
    dearer = [tier for tier in order[order.index(wanted) :] if tier in permitted]
    return dearer[0] if dearer else max(permitted, key=order.index)


def _wanted(text: str) -> tuple[Tier, str]:
    if not text:
        return Tier.FAST, "there is no text to judge"
    read = text[:_READ_CHARACTERS]
    if found := _REASONING.search(read):
        return Tier.REASONING, f"it says {found[0]!r}"
    if _CODE.search(read):
        return Tier.STANDARD, "it contains code"
    if len(text) > _LONG_CHARACTERS:
        return Tier.STANDARD, f"it is longer than {_LONG_CHARACTERS} characters"
    return Tier.FAST, "it is short and plain"
