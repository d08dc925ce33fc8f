"""Where adjustments are written: the store's script, which moves counters and appends the entry."""

from dataclasses import dataclass
from typing import Protocol

from fluxrouter_server.domain.adjustments import Adjusted, Adjustment
from fluxrouter_server.domain.denials import Denial
from fluxrouter_server.domain.ids import Principal
from fluxrouter_server.domain.limits import Limits
from fluxrouter_server.domain.periods import Period
from fluxrouter_server.services.ports.holds import Stale
from fluxrouter_server.services.ports.ledger import NumberedPeriod

__all__ = ["AdjustCommand", "AdjustmentStore", "Elsewhere"]


@dataclass(frozen=True, slots=True)
class AdjustCommand:
    """An adjustment of the account of these limits.

    `closed` is the closed period with the adjustment's instant, where the ledger was asked for it.
    """

    limits: Limits
    proposed_period: Period
    adjustment: Adjustment
    principal: Principal
    closed: NumberedPeriod | None = None


@dataclass(frozen=True, slots=True)
class Elsewhere:
    """No period that is not closed has the adjustment's instant; nothing was written."""


class AdjustmentStore(Protocol):
    """Writes adjustments. Raises StoreError."""

    async def adjust(self, command: AdjustCommand) -> Adjusted | Elsewhere | Denial | Stale:
        """Write an adjustment once, all of it or nothing."""
        ...
