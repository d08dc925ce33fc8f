"""The two ends of the ledger: the store's streams that entries leave, and the SQL that keeps them.

::

    StoreError
    └── LedgerError
        ├── LedgerUnavailable   (a StoreUnavailable) the database does not answer now
        └── LedgerRefused       (a StoreRefused) it can't be used as it is set up

To a caller the ledger's database is a part of the store: without it there is no answer either.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from fluxrouter_server.domain.ids import AccountName, AccountUid
from fluxrouter_server.domain.ledger import AnyEntry, EntryKind, LedgerEntry
from fluxrouter_server.domain.periods import Period
from fluxrouter_server.domain.usage import LedgerUsage
from fluxrouter_server.services.ports.errors import StoreError, StoreRefused, StoreUnavailable


class LedgerError(StoreError):
    """The ledger's database could not do what was asked."""


class LedgerUnavailable(LedgerError, StoreUnavailable):
    """The database does not answer; nothing was written, or it is found out by trying again."""

    def __init__(self, message: str) -> None:
        """Whoever asked may ask again: reading changes nothing, and entries are kept once."""
        super().__init__(message, outcome_unknown=False)


class LedgerRefused(LedgerError, StoreRefused):
    """The database must not be used as it is; the message says how to mend it."""


@dataclass(frozen=True, slots=True)
class StreamEntry:
    """An entry with its place in its shard's stream."""

    shard: int
    stream_id: str
    entry: AnyEntry


@dataclass(frozen=True, slots=True)
class Backlog:
    """What waits in the streams.

    Attributes:
        entries: In all streams, those that a worker holds included.
        lag_seconds: Age of the oldest one by the clock of stream ids; 0 where none waits.
    """

    entries: int
    lag_seconds: float


class LedgerStream(Protocol):
    """The streams of all shards, shared by any number of workers. Raises StoreError."""

    async def open(self) -> None:
        """Make sure that each shard's stream can be read by the group of workers."""
        ...

    async def read(self, *, wait_seconds: float) -> Sequence[StreamEntry]:
        """Take entries that no worker was given yet; none after so long without any."""
        ...

    async def reclaim(self) -> Sequence[StreamEntry]:
        """Take entries that this worker, or one that is dead, was given and never acknowledged."""
        ...

    async def acknowledge(self, entries: Sequence[StreamEntry]) -> None:
        """Take entries out for good: SQL has them."""
        ...

    async def backlog(self) -> Backlog:
        """Count what waits."""
        ...


class LedgerBook(Protocol):
    """The ledger in SQL, as its writer sees it. Raises LedgerError."""

    async def open(self) -> None:
        """Make it ready to be written: bring its schema up to date."""
        ...

    async def append(self, entries: Sequence[AnyEntry]) -> int:
        """Keep all that it does not have yet, or none; returns how many were new."""
        ...


@dataclass(frozen=True, slots=True)
class EntryFilter:
    """Which entries; what is None or empty is no condition. Instants in µs, the end exclusive."""

    start_us: int | None = None
    end_us: int | None = None
    request_id: str = ""
    hold_id: str = ""
    kinds: frozenset[EntryKind] = frozenset()


@dataclass(frozen=True, slots=True)
class EntryPlace:
    """Where a page of an account's entries ends."""

    time_us: int
    epoch: int
    seq: int


@dataclass(frozen=True, slots=True)
class CounterQuery:
    """Which entries of an account are to be added up.

    Those up to a sequence number: by period for periods after the last closed one, by hour from
    `first_hour` (unix) on, whatever their period; None is no hour.
    """

    uid: AccountUid
    last_seq: int
    closed_period: int
    first_hour: int | None = None


@dataclass(frozen=True, slots=True)
class NumberedPeriod:
    """A period of an account with its number, from 1; µs since 1970 UTC, the end exclusive."""

    number: int
    start_us: int
    end_us: int


@dataclass(frozen=True, slots=True)
class DerivedPeriod:
    """Counters of one period as its entries add up; `settled` by the store's names of levels."""

    number: int
    start_us: int
    end_us: int
    settled: Mapping[str, int]
    absorbed_nano_usd: int
    included_nano_usd: int
    alerted_percent: int


@dataclass(frozen=True, slots=True)
class DerivedCounters:
    """Counters of an account as its entries add up.

    `entries` says how many places of the sequence are filled: as many as asked for, or some are
    missing. `latest_seq` is the account's latest entry, whatever was asked for. `hours` has what is
    settled by unix hour.
    """

    uid: AccountUid
    entries: int
    latest_seq: int
    periods: tuple[DerivedPeriod, ...]
    hours: Mapping[int, int]


class LedgerReader(Protocol):
    """The ledger in SQL, as its readers see it. Raises LedgerError."""

    async def period_usage(self, uid: AccountUid, period_start_us: int) -> LedgerUsage:
        """Sum what belongs to a period."""
        ...

    async def span_usage(self, uid: AccountUid, span: Period) -> LedgerUsage:
        """Sum what happened in a span of time."""
        ...

    async def list_entries(
        self, uid: AccountUid, wanted: EntryFilter, *, before: EntryPlace | None, limit: int
    ) -> Sequence[LedgerEntry]:
        """Find entries, the newest first, from a place on."""
        ...

    def export(
        self, uid: AccountUid | None, wanted: EntryFilter
    ) -> AsyncIterator[Sequence[LedgerEntry]]:
        """Find all entries in the order of account and sequence, some at a time."""
        ...

    async def period_at(self, uid: AccountUid, instant_us: int) -> NumberedPeriod | None:
        """Find the period with an instant, among those that have entries after it."""
        ...

    async def names(self, uids: Sequence[AccountUid]) -> Mapping[AccountUid, AccountName]:
        """Name accounts, deleted ones included; unknown ones are missing."""
        ...

    async def derive(self, queries: Sequence[CounterQuery]) -> Sequence[DerivedCounters]:
        """Add up what the counters must be."""
        ...


@dataclass(frozen=True, slots=True)
class AccountCounters:
    """An account's counters in the store, read in one step.

    `values` has what entries add up to, by the store's names; what is held is not among it.
    `first_hour` is the earliest unix hour that has a counter.
    """

    uid: AccountUid
    name: AccountName
    seq: int
    closed_period: int
    first_hour: int | None
    values: Mapping[str, int]


@dataclass(frozen=True, slots=True)
class Drift:
    """Something that store and ledger disagree about.

    `what` is for people, such as `settled account`; the figures are nano-USD, for `chain` numbers
    of entries, for `alerted` percent. `period_start_us` is None where it is about no period.
    """

    account: AccountName
    what: str
    period_start_us: int | None
    in_store: int
    in_ledger: int


class CounterStore(Protocol):
    """The counters of all accounts. Raises StoreError."""

    def read_all(self) -> AsyncIterator[Sequence[AccountCounters]]:
        """Read the counters of every account, some at a time."""
        ...

    async def read(self, uid: AccountUid, name: AccountName) -> AccountCounters:
        """Read the counters of one account."""
        ...

    def differences(self, found: AccountCounters, derived: DerivedCounters) -> Sequence[Drift]:
        """Compare an account's counters with what its entries add up to."""
        ...


class CounterRestorer(Protocol):
    """Puts counters right on a living store. Raises StoreError."""

    async def pending(self, uid: AccountUid) -> Sequence[AnyEntry]:
        """Read the account's entries that are still in its stream, in their order."""
        ...

    async def restore(self, found: AccountCounters, derived: DerivedCounters) -> bool:
        """Write what the entries add up to; False where the account changed since it was read."""
        ...


@dataclass(frozen=True, slots=True)
class Taken:
    """What was taken out, or out of what: accounts and entries."""

    accounts: int
    entries: int

    def __add__(self, other: "Taken") -> "Taken":
        """Both together."""
        return Taken(self.accounts + other.accounts, self.entries + other.entries)


class LedgerUpkeep(Protocol):
    """The ledger in SQL, as whoever must shorten it sees it. Raises LedgerError."""

    async def prune(self, before_us: int) -> Taken:
        """Take out entries of closed periods that are older than an instant."""
        ...

    async def forget_label(
        self, name: str, *, value: str | None, account: AccountName | None
    ) -> Taken:
        """Take a label out of all entries and sums, or only where it has a value."""
        ...
