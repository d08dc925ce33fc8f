"""The two ends of the ledger: the store's streams that entries leave, and the SQL that keeps them.

::

    LedgerError
    ├── LedgerUnavailable   the database does not answer now
    └── LedgerRefused       it can't be used as it is set up; the message says how to mend it
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from fluxrouter_server.domain.ledger import AnyEntry


class LedgerError(Exception):
    """The ledger's database could not do what was asked."""


class LedgerUnavailable(LedgerError):
    """The database does not answer; nothing was written, or it is found out by trying again."""


class LedgerRefused(LedgerError):
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

    async def append(self, entries: Sequence[AnyEntry]) -> int:
        """Keep all that it does not have yet, or none; returns how many were new."""
        ...
