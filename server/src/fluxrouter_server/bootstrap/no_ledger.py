"""What answers questions about usage where no ledger is kept."""

from collections.abc import AsyncIterator, Mapping, Sequence
from typing import Final

from fluxrouter_server.domain.ids import AccountName, AccountUid
from fluxrouter_server.domain.ledger import LedgerEntry
from fluxrouter_server.domain.periods import Period
from fluxrouter_server.domain.usage import LedgerUsage
from fluxrouter_server.services.ports.ledger import (
    CounterQuery,
    DerivedCounters,
    EntryFilter,
    EntryPlace,
    LedgerRefused,
    NumberedPeriod,
    Taken,
)

__all__ = ["NoLedger"]


class NoLedger:
    """Implements `LedgerReader` and `LedgerUpkeep` where none is kept: it says so."""

    async def prune(self, before_us: int) -> Taken:  # noqa: ARG002
        """Refuses."""
        raise _NOT_KEPT

    async def forget_label(
        self,
        name: str,  # noqa: ARG002
        *,
        value: str | None,  # noqa: ARG002
        account: AccountName | None,  # noqa: ARG002
    ) -> Taken:
        """Refuses."""
        raise _NOT_KEPT

    async def period_usage(self, uid: AccountUid, period_start_us: int) -> LedgerUsage:  # noqa: ARG002
        """Refuses."""
        raise _NOT_KEPT

    async def span_usage(self, uid: AccountUid, span: Period) -> LedgerUsage:  # noqa: ARG002
        """Refuses."""
        raise _NOT_KEPT

    async def list_entries(
        self,
        uid: AccountUid,  # noqa: ARG002 - of the protocol, as all below
        wanted: EntryFilter,  # noqa: ARG002
        *,
        before: EntryPlace | None,  # noqa: ARG002
        limit: int,  # noqa: ARG002
    ) -> Sequence[LedgerEntry]:
        """Refuses."""
        raise _NOT_KEPT

    def export(
        self,
        uid: AccountUid | None,  # noqa: ARG002
        wanted: EntryFilter,  # noqa: ARG002
    ) -> AsyncIterator[Sequence[LedgerEntry]]:
        """Refuses."""
        raise _NOT_KEPT

    async def period_at(self, uid: AccountUid, instant_us: int) -> NumberedPeriod | None:  # noqa: ARG002
        """Refuses."""
        raise _NOT_KEPT

    async def names(self, uids: Sequence[AccountUid]) -> Mapping[AccountUid, AccountName]:  # noqa: ARG002
        """Refuses."""
        raise _NOT_KEPT

    async def derive(self, queries: Sequence[CounterQuery]) -> Sequence[DerivedCounters]:  # noqa: ARG002
        """Refuses."""
        raise _NOT_KEPT


_NOT_KEPT: Final = LedgerRefused("this server keeps no ledger: start it with --ledger-url")
