"""The ledger's database as those who ask see it: each query in a thread, in one transaction."""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from typing import Final, TypeVar

from sqlalchemy import Connection
from sqlalchemy.engine import URL

from fluxrouter_server.domain.ids import AccountName, AccountUid
from fluxrouter_server.domain.ledger import LedgerEntry
from fluxrouter_server.domain.periods import Period
from fluxrouter_server.domain.usage import LedgerUsage
from fluxrouter_server.ledger.counters import derive_counters
from fluxrouter_server.ledger.engines import SqlThreads, open_engine
from fluxrouter_server.ledger.entry_queries import (
    list_entries,
    next_entries,
    period_at,
    read_names,
)
from fluxrouter_server.ledger.usage_queries import read_period_usage, read_span_usage
from fluxrouter_server.services.ports.ledger import (
    CounterQuery,
    DerivedCounters,
    EntryFilter,
    EntryPlace,
    NumberedPeriod,
)

__all__ = ["SqlLedgerReader"]

T = TypeVar("T")

_THREADS: Final = 4
_EXPORTED_AT_ONCE: Final = 500
"""Some 300 KB on the wire."""


class SqlLedgerReader:
    """Implements `LedgerReader`; the schema must be there.

    Args:
        url: Of `engines.read_ledger_url`.
    """

    def __init__(self, url: URL) -> None:
        self._engine = open_engine(url, is_writer=False)
        self._threads = SqlThreads(threads=_THREADS, name="ledger-reader")

    async def period_usage(self, uid: AccountUid, period_start_us: int) -> LedgerUsage:
        """Sum what belongs to a period."""
        return await self._read(lambda on: read_period_usage(on, uid, period_start_us))

    async def span_usage(self, uid: AccountUid, span: Period) -> LedgerUsage:
        """Sum what happened in a span of time."""
        return await self._read(lambda on: read_span_usage(on, uid, span))

    async def list_entries(
        self, uid: AccountUid, wanted: EntryFilter, *, before: EntryPlace | None, limit: int
    ) -> Sequence[LedgerEntry]:
        """Find entries, the newest first, from a place on."""
        return await self._read(
            lambda on: list_entries(on, uid, wanted, before=before, limit=limit)
        )

    async def export(
        self, uid: AccountUid | None, wanted: EntryFilter
    ) -> AsyncIterator[Sequence[LedgerEntry]]:
        """Find all entries in the order of account and sequence, some at a time.

        Each part is a query of its own: what arrives meanwhile may be among them.
        """
        last: LedgerEntry | None = None
        while True:
            after = last
            found = await self._read(
                lambda on, after=after: next_entries(  # type: ignore[misc]  # binds this turn's
                    on, uid, wanted, after=after, limit=_EXPORTED_AT_ONCE
                )
            )
            if found:
                yield found
                last = found[-1]
            if len(found) < _EXPORTED_AT_ONCE:
                return

    async def period_at(self, uid: AccountUid, instant_us: int) -> NumberedPeriod | None:
        """Find the period with an instant; None where no entry tells of one."""
        return await self._read(lambda on: period_at(on, uid, instant_us))

    async def names(self, uids: Sequence[AccountUid]) -> Mapping[AccountUid, AccountName]:
        """Name accounts, deleted ones included; unknown ones are missing."""
        return await self._read(lambda on: read_names(on, uids))

    async def derive(self, queries: Sequence[CounterQuery]) -> Sequence[DerivedCounters]:
        """Add up what the counters must be."""
        return await self._read(lambda on: derive_counters(on, queries))

    def close(self) -> None:
        """End the threads and the connections."""
        self._threads.close()
        self._engine.dispose()

    async def _read(self, query: Callable[[Connection], T]) -> T:
        def run() -> T:
            with self._engine.connect() as connection:
                return query(connection)

        return await self._threads.run(run)
