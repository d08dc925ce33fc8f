"""Where choices of a tier, and how good their answers were, are kept for calibration."""

from dataclasses import dataclass
from typing import Protocol

from fluxrouter_server.domain.catalog import Tier
from fluxrouter_server.domain.holds import Hold
from fluxrouter_server.domain.ids import HoldId, RequestId
from fluxrouter_server.routing.rules import TierDecision


@dataclass(frozen=True, slots=True)
class Choice:
    """An admitted request whose tier was chosen.

    `served` is the tier of the model that serves, which near a cap may be cheaper than the chosen
    one. `text` is what was judged: a secret of the caller, kept only where the operator asked for
    that.
    """

    hold: Hold
    served: Tier
    decision: TierDecision
    text: str


@dataclass(frozen=True, slots=True)
class Grade:
    """How good the answer to a request was, from 0 (useless) to 100 (right)."""

    hold_id: HoldId
    request_id: RequestId
    quality_percent: int


class DecisionLog(Protocol):
    """Takes entries. It never fails; what cannot be written is lost and told to the operator."""

    def chose(self, choice: Choice) -> None:
        """Keep a choice."""
        ...

    def graded(self, grade: Grade) -> None:
        """Keep a grade; the latest of a request counts."""
        ...


class NoDecisionLog:
    """Keeps nothing, which is what a server does unless it is told otherwise."""

    def chose(self, choice: Choice) -> None:
        """Drop it."""

    def graded(self, grade: Grade) -> None:
        """Drop it."""
