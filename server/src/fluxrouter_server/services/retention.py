"""How long the ledger keeps what: entries of closed months, and labels that name people."""

from typing import Final, Protocol

from fluxrouter_server.domain.denials import Denial
from fluxrouter_server.domain.ids import AccountName
from fluxrouter_server.services.ports.ledger import LedgerUpkeep, Taken
from fluxrouter_server.services.refusals import invalid_field

__all__ = ["Retention"]

_LEAST_AGE_US: Final = 31 * 24 * 3_600_000_000
"""No span that the store remembers is longer, so nothing that a rebuild needs is younger."""

_MOST_LABEL_CHARACTERS: Final = 1_000


class Clock(Protocol):
    """Tells the store's time."""

    def now_us(self) -> int:
        """µs since 1970 UTC."""
        ...


class Retention:
    """PruneLedger and ForgetLabel; both may be repeated.

    Args:
        upkeep: The ledger.
        clock: The store's.
    """

    def __init__(self, *, upkeep: LedgerUpkeep, clock: Clock) -> None:
        self._upkeep = upkeep
        self._clock = clock

    async def prune(self, before_us: int | None) -> Taken | Denial:
        """Take out entries of closed periods that are older than an instant, 31 days ago or more.

        Raises:
            LedgerUnavailable: The database does not answer; some accounts may be done.
        """
        if before_us is None:
            return invalid_field("before_time", "is required")
        if before_us > self._clock.now_us() - _LEAST_AGE_US:
            return invalid_field("before_time", "must lie at least 31 days back")
        return await self._upkeep.prune(before_us)

    async def forget_label(
        self, name: str, *, value: str | None, account: AccountName | None
    ) -> Taken | Denial:
        """Take a label out of all entries and sums, or only where it has a value.

        Raises:
            LedgerUnavailable: The database does not answer; some accounts may be done.
        """
        if not 0 < len(name) <= _MOST_LABEL_CHARACTERS:
            return invalid_field("name", "is required: the label's name")
        return await self._upkeep.forget_label(name, value=value, account=account)
