"""What a rebuild of lost shards needs: the ledger that knows, and the store that lost.

docs/protocol.md §9.
"""

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from typing import Protocol

from fluxrouter_server.domain.ids import AccountName, AccountUid
from fluxrouter_server.domain.ledger import LedgerEntry
from fluxrouter_server.services.ports.ledger import DerivedCounters, NumberedPeriod


@dataclass(frozen=True, slots=True)
class KnownDocument:
    """The latest version of a plan, the catalog or a credential; `body` is None where deleted."""

    kind: str
    name: str
    generation: str
    update_us: int
    body: bytes | None


@dataclass(frozen=True, slots=True)
class KnownAccount:
    """Everything that the ledger knows of an account.

    `latest_period` is None before the first; `endings` are of holds that ended in the replay
    window, in their order; `adjustments` are all that operators ever made.
    """

    uid: AccountUid
    name: AccountName
    shard: int
    generation: str
    update_us: int
    flags: int
    body: bytes
    seq: int
    closed_period: int
    latest_period: NumberedPeriod | None
    counters: DerivedCounters
    endings: Sequence[LedgerEntry]
    adjustments: Sequence[LedgerEntry]


@dataclass(frozen=True, slots=True)
class Horizon:
    """Which of the past still matters: hours from the first, endings from an instant on."""

    first_hour: int
    endings_from_us: int


@dataclass(frozen=True, slots=True)
class NewLife:
    """The life that a rebuild begins for a shard."""

    shard: int
    epoch: int
    marker: str


class RebuildSource(Protocol):
    """The ledger, as a rebuild reads it. Raises LedgerError."""

    def lock(self, shards: Sequence[int]) -> AbstractAsyncContextManager[Mapping[int, int]]:
        """Keep everyone else from writing entries of these shards, and from rebuilding them.

        Yields the highest epoch of each shard; one that the ledger does not know is missing.
        """
        ...

    async def begin_lives(self, lives: Sequence[NewLife]) -> None:
        """Note the new lives, inside the lock: entries of older ones are refused from now on."""
        ...

    async def documents(self) -> Sequence[KnownDocument]:
        """The latest plans, catalog and credentials."""
        ...

    async def account_uids(self, shards: Sequence[int]) -> Sequence[AccountUid]:
        """The accounts of these shards."""
        ...

    async def accounts(
        self, uids: Sequence[AccountUid], horizon: Horizon
    ) -> Sequence[KnownAccount]:
        """What is known of some accounts; those that were purged are left out."""
        ...

    async def deleted_accounts(self) -> Collection[AccountUid]:
        """The accounts whose latest document says that they are deleted, purged ones included."""
        ...

    async def latest_places(self) -> Mapping[AccountUid, tuple[int, int]]:
        """Epoch and sequence number of each account's latest entry."""
        ...


class ShardRestorer(Protocol):
    """The store's shards that lost their data. Raises StoreError."""

    async def lost_shards(self) -> Sequence[int]:
        """The shards that hold nothing, unless somebody is at work on them by hand."""
        ...

    async def outdated_shards(
        self, places: Mapping[AccountUid, tuple[int, int]], *, deleted: Collection[AccountUid]
    ) -> Sequence[int]:
        """The shards in which an account is behind its latest entry.

        A deleted one may be missing: it was purged.
        """
        ...

    async def empty(self, shards: Sequence[int]) -> None:
        """Remove all that they hold, their identities first; only inside the lock."""
        ...

    def horizon(self) -> Horizon:
        """Which of the past the store would still have."""
        ...

    async def restore_documents(
        self, shards: Sequence[int], documents: Sequence[KnownDocument]
    ) -> None:
        """Write plans, catalog and credentials."""
        ...

    async def restore_accounts(self, accounts: Sequence[KnownAccount]) -> None:
        """Write documents, keys, counters and what is remembered of ended requests."""
        ...

    async def open_shards(self, epochs: Mapping[int, int]) -> Sequence[NewLife]:
        """Give the shards their new identities: from now on they are decided upon."""
        ...
