"""What the model of holds is made of, and how it answers."""

from dataclasses import dataclass

from fluxrouter_server.domain.denials import Reason
from fluxrouter_server.domain.holds import Candidate, HoldState
from fluxrouter_server.domain.plans import OnExpiry

__all__ = ["Denied", "ModelHold", "Refused", "Replayed", "StaleDocuments"]


@dataclass
class ModelHold:
    """A hold, live or ended; `plan` is what was stamped on it."""

    request: str
    attempt: int
    digest: bytes
    call: str
    admitted_us: int
    expire_us: int
    period: int
    hour: int
    levels: tuple[str, ...]
    offer: Candidate
    granted: int
    held: int
    credit: int
    is_metered: bool
    on_expiry: OnExpiry
    key_field: str
    state: HoldState = HoldState.ACTIVE
    bucket: int = -1
    cost: int = 0
    billed: int = 0
    included: int = 0
    metered: int = 0
    entries: int = 0


@dataclass(frozen=True)
class Refused:
    """A release that came before its Route: it refuses the attempt, or one call of it."""

    attempt: int
    call: str
    bucket: int


@dataclass(frozen=True)
class Denied:
    """The answer should be a denial for this reason."""

    reason: Reason


@dataclass(frozen=True)
class Replayed:
    """The answer should be the hold, marked as replayed."""

    hold: ModelHold


@dataclass(frozen=True)
class StaleDocuments:
    """The answer should be today's documents."""
