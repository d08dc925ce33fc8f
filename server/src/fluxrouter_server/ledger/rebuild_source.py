"""What the ledger knows of shards that lost their data; implements `RebuildSource`."""

from collections.abc import AsyncIterator, Callable, Collection, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import Final, TypeVar

from sqlalchemy import Connection, RowMapping, func, select, update
from sqlalchemy.engine import URL

from fluxrouter_server.domain.ids import AccountName, AccountUid
from fluxrouter_server.domain.ledger import EntryKind, LedgerEntry
from fluxrouter_server.ledger.counters import derive_counters
from fluxrouter_server.ledger.engines import SqlThreads, open_engine
from fluxrouter_server.ledger.rows import read_row
from fluxrouter_server.ledger.tables import accounts, controls, entries, shards
from fluxrouter_server.services.ports.ledger import CounterQuery, NumberedPeriod
from fluxrouter_server.services.ports.rebuilding import (
    Horizon,
    KnownAccount,
    KnownDocument,
    NewLife,
)

__all__ = ["SqlRebuildSource"]

T = TypeVar("T")

_DELETED_FLAG: Final = 2
"""And whatever is above: an account's flags are a sum, suspended being 1."""

_ADJUSTMENTS = (EntryKind.ADJUSTMENT, EntryKind.INVOICE_CREDIT)
_ENDINGS = (EntryKind.SETTLEMENT, EntryKind.RELEASE, EntryKind.EXPIRY, EntryKind.CORRECTION)


class SqlRebuildSource:
    """Reads on one connection and in one transaction, that of the lock while there is one.

    Args:
        url: Of `engines.read_ledger_url`.
    """

    def __init__(self, url: URL) -> None:
        self._engine = open_engine(url, is_writer=True)
        self._threads = SqlThreads(threads=1, name="ledger-rebuild")
        self._locked: Connection | None = None

    @asynccontextmanager
    async def lock(self, wanted: Sequence[int]) -> AsyncIterator[Mapping[int, int]]:
        """Hold the shards' rows until left; what was noted by then stays."""
        connection = await self._threads.run(self._engine.connect)
        try:
            known = await self._threads.run(_lock, connection, wanted)
            self._locked = connection
            yield known
            await self._threads.run(connection.commit)
        finally:
            self._locked = None
            await self._threads.run(connection.close)

    async def begin_lives(self, lives: Sequence[NewLife]) -> None:
        """Note the new lives; only inside the lock."""
        if self._locked is None:
            raise AssertionError("lives begin inside the lock")
        await self._threads.run(_begin_lives, self._locked, lives)

    async def knows_store(self) -> bool:
        """Whether any shard's entries were ever written: an empty store is then not a new one."""
        return await self._read(_knows_store)

    async def documents(self) -> Sequence[KnownDocument]:
        """The latest plans, catalog and credentials."""
        return await self._read(_documents)

    async def account_uids(self, wanted: Sequence[int]) -> Sequence[AccountUid]:
        """The accounts of these shards."""
        return await self._read(_account_uids, wanted)

    async def accounts(
        self, uids: Sequence[AccountUid], horizon: Horizon
    ) -> Sequence[KnownAccount]:
        """What is known of some accounts."""
        return await self._read(_accounts, uids, horizon)

    async def deleted_accounts(self) -> Collection[AccountUid]:
        """The accounts whose latest document says that they are deleted, purged ones included."""
        return await self._read(_deleted_accounts)

    async def latest_places(self) -> Mapping[AccountUid, tuple[int, int]]:
        """Epoch and sequence number of each account's latest entry."""
        return await self._read(_latest_places)

    def close(self) -> None:
        """End the thread and the connections."""
        self._threads.close()
        self._engine.dispose()

    async def _read(self, query: Callable[..., T], *args: object) -> T:
        def run() -> T:
            if self._locked is not None:
                return query(self._locked, *args)
            with self._engine.connect() as connection:
                return query(connection, *args)

        return await self._threads.run(run)


def _lock(connection: Connection, wanted: Sequence[int]) -> dict[int, int]:
    statement = select(shards.c.shard, shards.c.epoch).where(shards.c.shard.in_(wanted))
    statement = statement.order_by(shards.c.shard).with_for_update()
    return {row.shard: row.epoch for row in connection.execute(statement)}


def _begin_lives(connection: Connection, lives: Sequence[NewLife]) -> None:
    for life in lives:
        connection.execute(
            update(shards)
            .where(shards.c.shard == life.shard)
            .values(epoch=life.epoch, marker=life.marker)
        )


def _knows_store(connection: Connection) -> bool:
    return connection.execute(select(shards.c.shard).limit(1)).first() is not None


def _documents(connection: Connection) -> list[KnownDocument]:
    latest: dict[tuple[str, str], RowMapping] = {}
    statement = select(controls).where(controls.c.document.in_(["plan", "catalog", "credential"]))
    for row in connection.execute(statement).mappings():
        place = (row["document"], row["name"])
        if place not in latest or _order(row) > _order(latest[place]):
            latest[place] = row
    return [
        KnownDocument(
            kind=row["document"],
            name=row["name"],
            generation=row["generation"],
            update_us=row["time_us"],
            body=row["body"],
        )
        for row in latest.values()
    ]


def _order(row: RowMapping) -> tuple[int, ...]:
    """A later version of a document is greater: by its generation, else by its place."""
    counter = row["generation"].partition("-")[0]
    ms, _, n = row["stream_id"].partition("-")
    return (int(counter) if counter.isdecimal() else 0, row["epoch"], int(ms), int(n))


def _account_uids(connection: Connection, wanted: Sequence[int]) -> list[AccountUid]:
    statement = select(controls.c.uid).where(
        controls.c.document == "account", controls.c.shard.in_(wanted)
    )
    return [AccountUid(uid) for uid in connection.scalars(statement.distinct()) if uid]


def _deleted_accounts(connection: Connection) -> frozenset[AccountUid]:
    other = controls.alias()
    latest = select(func.max(other.c.seq)).where(other.c.uid == controls.c.uid).scalar_subquery()
    statement = select(controls.c.uid).where(
        controls.c.document == "account",
        controls.c.flags >= _DELETED_FLAG,
        controls.c.seq == latest,
    )
    return frozenset(AccountUid(uid) for uid in connection.scalars(statement) if uid)


def _latest_places(connection: Connection) -> dict[AccountUid, tuple[int, int]]:
    statement = select(accounts.c.uid, accounts.c.epoch, accounts.c.seq)
    return {AccountUid(uid): (epoch, seq) for uid, epoch, seq in connection.execute(statement)}


def _accounts(
    connection: Connection, uids: Sequence[AccountUid], horizon: Horizon
) -> list[KnownAccount]:
    documents = [(uid, _latest_document(connection, uid)) for uid in uids]
    # The last entry of a purged account has no document: it must not come back.
    return [
        _account(connection, uid, document, horizon)
        for uid, document in documents
        if document["body"] is not None
    ]


def _account(
    connection: Connection, uid: AccountUid, document: RowMapping, horizon: Horizon
) -> KnownAccount:
    seq = connection.scalar(select(accounts.c.seq).where(accounts.c.uid == uid)) or 0
    closed = _closed_period(connection, uid)
    query = CounterQuery(uid, seq, closed, horizon.first_hour)
    (counters,) = derive_counters(connection, [query])
    return KnownAccount(
        uid=uid,
        name=AccountName(document["name"]),
        shard=document["shard"],
        generation=document["generation"],
        update_us=document["time_us"],
        flags=document["flags"],
        body=document["body"],
        seq=seq,
        closed_period=closed,
        latest_period=_latest_period(connection, uid),
        counters=counters,
        endings=_endings(connection, uid, horizon.endings_from_us),
        adjustments=_adjustments(connection, uid),
    )


def _latest_document(connection: Connection, uid: AccountUid) -> RowMapping:
    statement = select(controls).where(controls.c.uid == uid)
    return connection.execute(statement.order_by(controls.c.seq.desc()).limit(1)).mappings().one()


def _closed_period(connection: Connection, uid: AccountUid) -> int:
    statement = select(func.max(entries.c.period)).where(
        entries.c.uid == uid, entries.c.kind == EntryKind.PERIOD_CLOSE.value
    )
    return connection.scalar(statement) or 0


def _latest_period(connection: Connection, uid: AccountUid) -> NumberedPeriod | None:
    statement = (
        select(entries.c.period, entries.c.period_start_us, entries.c.period_end_us)
        .where(entries.c.uid == uid)
        .order_by(entries.c.period.desc())
        .limit(1)
    )
    row = connection.execute(statement).first()
    return None if row is None else NumberedPeriod(*row)


def _endings(connection: Connection, uid: AccountUid, from_us: int) -> list[LedgerEntry]:
    statement = (
        select(entries)
        .where(
            entries.c.uid == uid,
            entries.c.time_us >= from_us,
            entries.c.kind.in_([kind.value for kind in _ENDINGS]),
        )
        .order_by(entries.c.epoch, entries.c.seq)
    )
    return [read_row(row) for row in connection.execute(statement).mappings()]


def _adjustments(connection: Connection, uid: AccountUid) -> list[LedgerEntry]:
    """All there are: their ids are never to be written again."""
    kinds = [kind.value for kind in _ADJUSTMENTS]
    statement = select(entries).where(entries.c.uid == uid, entries.c.kind.in_(kinds))
    return [read_row(row) for row in connection.execute(statement).mappings()]
