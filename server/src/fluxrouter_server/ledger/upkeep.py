"""What is taken out of the ledger on purpose: old entries, and labels that name people.

Neither changes a sum: an account's counters, its chain and its usage by day stay what they were.
Each account is one transaction under its shard's row, as every write of entries is.
"""

from collections.abc import Callable, Sequence
from typing import Final, TypeVar

from sqlalchemy import ColumnElement, Connection, Engine, delete, func, select, update
from sqlalchemy.engine import URL

from fluxrouter_server.domain.ids import AccountName, AccountUid
from fluxrouter_server.domain.ledger import EntryKind
from fluxrouter_server.ledger.engines import SqlThreads, open_engine
from fluxrouter_server.ledger.rollups import relabel_usage
from fluxrouter_server.ledger.rows import labels_text, read_labels
from fluxrouter_server.ledger.tables import accounts, entries, shards
from fluxrouter_server.services.ports.ledger import Taken

__all__ = ["SqlLedgerUpkeep"]

T = TypeVar("T")

_KEPT_FOR_EVER: Final = (EntryKind.ADJUSTMENT.value, EntryKind.INVOICE_CREDIT.value)
"""Their ids must never be written again, also after a rebuild."""

_NOTHING: Final = Taken(0, 0)


class SqlLedgerUpkeep:
    """Implements `LedgerUpkeep`; the schema must be there.

    Args:
        url: Of `engines.read_ledger_url`.
    """

    def __init__(self, url: URL) -> None:
        self._engine = open_engine(url, is_writer=True)
        self._threads = SqlThreads(threads=1, name="ledger-upkeep")

    async def prune(self, before_us: int) -> Taken:
        """Take out entries of closed periods that are older than an instant."""
        taken = _NOTHING
        for uid in await self._transact(_uids, None):
            taken += await self._transact(_prune, uid, before_us)
        return taken

    async def forget_label(
        self, name: str, *, value: str | None, account: AccountName | None
    ) -> Taken:
        """Take a label out of all entries and sums, or only where it has a value."""
        taken = _NOTHING
        for uid in await self._transact(_uids, account):
            taken += await self._transact(_forget_label, uid, name, value)
        return taken

    def close(self) -> None:
        """End the thread and the connection."""
        self._threads.close()
        self._engine.dispose()

    async def _transact(self, work: Callable[..., T], *args: object) -> T:
        return await self._threads.run(_run, self._engine, work, *args)


def _run(engine: Engine, work: Callable[..., T], *args: object) -> T:
    with engine.begin() as connection:
        return work(connection, *args)


def _uids(connection: Connection, account: AccountName | None) -> Sequence[AccountUid]:
    """Every account there ever was, or those that ever had the name."""
    statement = select(accounts.c.uid).order_by(accounts.c.uid)
    if account is not None:
        statement = statement.where(accounts.c.name == account)
    return [AccountUid(uid) for uid in connection.scalars(statement)]


def _prune(connection: Connection, uid: AccountUid, before_us: int) -> Taken:
    """Take out an unbroken part of the chain's begin, of closed periods only.

    The latest period's close stays: a rebuild must know which periods are closed.
    """
    is_close = entries.c.kind == EntryKind.PERIOD_CLOSE.value
    latest_close = _first(connection, uid, is_close, func.max(entries.c.seq))
    if latest_close is None or not _lock(connection, uid):
        return _NOTHING
    closed = _first(connection, uid, is_close, func.max(entries.c.period))
    lowest = func.min(entries.c.seq)
    first_open = _first(connection, uid, entries.c.period > closed, lowest)
    first_recent = _first(connection, uid, entries.c.time_us >= before_us, lowest)
    cut = min(seq for seq in (latest_close, first_open, first_recent) if seq is not None) - 1
    old = (entries.c.uid == uid, entries.c.seq <= cut, entries.c.kind.not_in(_KEPT_FOR_EVER))
    taken = connection.execute(delete(entries).where(*old)).rowcount
    if not taken:
        return _NOTHING
    pruned = update(accounts).where(accounts.c.uid == uid, accounts.c.pruned_seq < cut)
    connection.execute(pruned.values(pruned_seq=cut))
    return Taken(1, taken)


def _forget_label(connection: Connection, uid: AccountUid, name: str, value: str | None) -> Taken:
    if not _lock(connection, uid):
        return _NOTHING
    taken = 0
    texts = select(entries.c.labels).where(entries.c.uid == uid, entries.c.labels != "{}")
    for text in connection.scalars(texts.distinct()).all():
        labels = read_labels(text)
        if name not in labels or value not in (None, labels[name]):
            continue
        kept = labels_text({key: labels[key] for key in labels if key != name})
        had = (entries.c.uid == uid, entries.c.labels == text)
        taken += connection.execute(update(entries).where(*had).values(labels=kept)).rowcount
        relabel_usage(connection, uid, before=text, after=kept)
    return Taken(1, taken) if taken else _NOTHING


def _first(
    connection: Connection,
    uid: AccountUid,
    where: ColumnElement[bool],
    wanted: ColumnElement[int],
) -> int | None:
    found: int | None = connection.scalar(select(wanted).where(entries.c.uid == uid, where))
    return found


def _lock(connection: Connection, uid: AccountUid) -> bool:
    """Hold the row of the account's shard; False where the account has no entry."""
    shard = connection.scalar(select(entries.c.shard).where(entries.c.uid == uid).limit(1))
    if shard is None:
        return False
    connection.execute(select(shards.c.shard).where(shards.c.shard == shard).with_for_update())
    return True
