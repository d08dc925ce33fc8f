"""Appends entries to the ledger: each once, whatever is delivered twice, all of a batch or none.

Whoever writes entries of a shard holds the shard's row (docs/protocol.md §9). An account lies in
one shard, so under that lock what comes after the account's latest entry is certainly new, and
only what does not is looked up.
"""

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Any, Final, TypeVar

import psycopg
import structlog
from psycopg import sql
from psycopg.errors import UniqueViolation
from sqlalchemy import Connection, Tuple, insert, select, tuple_
from sqlalchemy.dialects import postgresql, sqlite
from sqlalchemy.exc import IntegrityError

from fluxrouter_server.domain.ledger import (
    AnyEntry,
    ControlEntry,
    LedgerEntry,
    UnreadableEntry,
)
from fluxrouter_server.ledger.rollups import add_usage
from fluxrouter_server.ledger.rows import Row, control_row, entry_row
from fluxrouter_server.ledger.tables import accounts, controls, entries, rejects, shards

__all__ = ["append_entries", "copy_rows"]

_log = structlog.get_logger(__name__)

_DIGEST_BYTES: Final = 16
_KEYS_AT_ONCE: Final = 5_000
"""Keys of up to three values in one list of a query: PostgreSQL takes 65,535, SQLite 32,766."""

V = TypeVar("V")

_COPY: Final = sql.SQL("COPY {} ({}) FROM STDIN").format(
    sql.Identifier(entries.name),
    # In the order in which `entry_row` makes them, which a test holds it to.
    sql.SQL(", ").join(sql.Identifier(column.name) for column in entries.columns),
)

_Place = tuple[int, int]
"""Epoch and sequence number."""

_BEFORE_ALL: Final[_Place] = (0, 0)


@dataclass(frozen=True, slots=True)
class _Batch:
    """A batch by kind, each part in the order of the streams."""

    money: list[LedgerEntry]
    controls: list[ControlEntry]
    unreadable: list[UnreadableEntry]


def append_entries(connection: Connection, found: Sequence[AnyEntry]) -> int:
    """Write what is not there yet, inside the connection's transaction; returns how many.

    What cannot be read, or contradicts an entry that is there, goes to the rejects: it neither
    stops the stream nor is it lost, and `ledger check` shows what it makes differ.
    """
    _lock_shards(connection, found)
    batch = _sort(_leave_out_late(connection, found))
    latest = _latest(connection, batch)
    money = _new_money(connection, batch.money, latest)
    written = _insert_money(connection, [entry_row(entry) for entry in money])
    add_usage(connection, written)
    documents = _insert_controls(connection, batch.controls)
    _note_accounts(connection, batch, latest)
    for item in batch.unreadable:
        _reject(connection, item)
    return len(written) + documents


def _sort(found: Iterable[AnyEntry]) -> _Batch:
    batch = _Batch([], [], [])
    for entry in found:
        match entry:
            case LedgerEntry():
                batch.money.append(entry)
            case ControlEntry():
                batch.controls.append(entry)
            case UnreadableEntry():
                batch.unreadable.append(entry)
    return batch


def _lock_shards(connection: Connection, found: Sequence[AnyEntry]) -> None:
    """Hold the rows of the batch's shards until the transaction ends; they rise in epoch."""
    epochs: dict[int, int] = defaultdict(int)
    for entry in found:
        epoch = 0 if isinstance(entry, UnreadableEntry) else entry.epoch
        epochs[entry.shard] = max(epochs[entry.shard], epoch)
    rows = [
        {"shard": shard, "epoch": epochs[shard], "marker": "", "update_us": 0}
        for shard in sorted(epochs)  # in order, so that two workers never wait for each other
    ]
    if rows:
        statement = _insert(connection, shards)
        # Locks each row, whether or not there is anything to set.
        statement = statement.on_conflict_do_update(
            index_elements=["shard"],
            set_={"epoch": statement.excluded.epoch},
            where=shards.c.epoch < statement.excluded.epoch,
        )
        connection.execute(statement, rows)


def _leave_out_late(connection: Connection, found: Sequence[AnyEntry]) -> list[AnyEntry]:
    """Put aside what comes after a rebuild and was written before it.

    The counters were rebuilt without it, so it must not count here either: it is what the loss of
    the store has cost, and the rejects tell.
    """
    statement = select(shards.c.shard, shards.c.epoch).where(shards.c.marker != "")
    rebuilt = {row.shard: row.epoch for row in connection.execute(statement)}
    on_time: list[AnyEntry] = []
    for entry in found:
        if isinstance(entry, LedgerEntry) and entry.epoch < rebuilt.get(entry.shard, 0):
            body = repr(sorted(entry_row(entry).items())).encode()
            place = f"{entry.uid}.{entry.epoch}.{entry.seq}"
            reason = "came after its shard was rebuilt without it"
            _reject(connection, UnreadableEntry(entry.shard, place, reason, body))
        else:
            on_time.append(entry)
    return on_time


def _latest(connection: Connection, batch: _Batch) -> dict[str, _Place]:
    """The latest entry of each account of the batch."""
    uids = sorted(
        {entry.uid for entry in batch.money}
        | {entry.uid for entry in batch.controls if entry.uid is not None}
    )
    found: dict[str, _Place] = {}
    for first in range(0, len(uids), _KEYS_AT_ONCE):
        statement = select(accounts.c.uid, accounts.c.epoch, accounts.c.seq).where(
            accounts.c.uid.in_(uids[first : first + _KEYS_AT_ONCE])
        )
        found |= {uid: (epoch, seq) for uid, epoch, seq in connection.execute(statement)}
    return found


def _new_money(
    connection: Connection, found: list[LedgerEntry], latest: dict[str, _Place]
) -> list[LedgerEntry]:
    """Leave out what is there, and what the batch has twice."""
    places = {(entry.uid, entry.epoch, entry.seq): entry for entry in found}
    doubtful = [place for place in places if place[1:] <= latest.get(place[0], _BEFORE_ALL)]
    key = tuple_(entries.c.uid, entries.c.epoch, entries.c.seq)
    _leave_out_known(connection, key, places, doubtful)
    return list(places.values())


def _insert_money(connection: Connection, rows: list[Row]) -> list[Row]:
    """Insert rows; returns those that were taken."""
    if not rows:
        return rows
    try:
        with connection.begin_nested():
            _insert_all(connection, rows)
    except (IntegrityError, UniqueViolation):
        return [row for row in rows if _insert_or_reject(connection, row)]
    return rows


def _insert_all(connection: Connection, rows: list[Row]) -> None:
    if connection.dialect.name != "postgresql":
        connection.execute(insert(entries), rows)
        return
    copy_rows(connection, rows)


def copy_rows(connection: Connection, rows: Iterable[Row]) -> None:
    """Load rows into PostgreSQL by COPY, and nothing else: no sums, no account's latest entry.

    It takes a row in half the time of an INSERT, server and client together.
    """
    driver: psycopg.Connection[object] = connection.connection.driver_connection  # type: ignore[assignment]
    with driver.cursor() as cursor, cursor.copy(_COPY) as copy:
        for row in rows:
            copy.write_row(list(row.values()))


def _insert_or_reject(connection: Connection, row: Row) -> bool:
    try:
        with connection.begin_nested():
            connection.execute(insert(entries), [row])
    except IntegrityError as error:
        body = repr(sorted(row.items())).encode()
        reason = f"contradicts an entry that is there: {error.orig}"
        place = f"{row['uid']}.{row['epoch']}.{row['seq']}"
        _reject(connection, UnreadableEntry(row["shard"], place, reason, body))
        return False
    return True


def _insert_controls(connection: Connection, found: list[ControlEntry]) -> int:
    places = {(entry.shard, entry.epoch, entry.stream_id): entry for entry in found}
    key = tuple_(controls.c.shard, controls.c.epoch, controls.c.stream_id)
    _leave_out_known(connection, key, places, list(places))
    if places:
        connection.execute(insert(controls), [control_row(entry) for entry in places.values()])
    return len(places)


def _leave_out_known(
    connection: Connection,
    key: Tuple,
    places: dict[Any, V],
    doubtful: Sequence[Any],
) -> None:
    """Take out of `places` those of the doubtful keys that the table has."""
    for first in range(0, len(doubtful), _KEYS_AT_ONCE):
        some = doubtful[first : first + _KEYS_AT_ONCE]
        for row in connection.execute(select(*key.clauses).where(key.in_(some))):
            del places[tuple(row)]


def _note_accounts(connection: Connection, batch: _Batch, latest: dict[str, _Place]) -> None:
    """Note each account's latest entry, and its name where a document of it came."""
    newest = dict(latest)
    names: dict[str, str] = {}
    for document in batch.controls:
        if document.uid is not None:
            names[document.uid] = document.name
            _advance(newest, document.uid, (document.epoch, document.seq))
    for entry in batch.money:
        _advance(newest, entry.uid, (entry.epoch, entry.seq))
    rows = [
        {"uid": uid, "name": names.get(uid, ""), "epoch": epoch, "seq": seq, "pruned_seq": 0}
        for uid, (epoch, seq) in sorted(newest.items())
        if uid in names or latest.get(uid) != (epoch, seq)
    ]
    named = [row for row in rows if row["name"]]
    unnamed = [row for row in rows if not row["name"]]
    for some, columns in ((named, ("name", "epoch", "seq")), (unnamed, ("epoch", "seq"))):
        if some:
            statement = _insert(connection, accounts)
            taken = {column: statement.excluded[column] for column in columns}
            connection.execute(
                statement.on_conflict_do_update(index_elements=["uid"], set_=taken), some
            )


def _advance(newest: dict[str, _Place], uid: str, place: _Place) -> None:
    newest[uid] = max(newest.get(uid, _BEFORE_ALL), place)


def _reject(connection: Connection, item: UnreadableEntry) -> None:
    _log.error("ledger_entry_rejected", shard=item.shard, entry=item.stream_id, reason=item.reason)
    digest = blake2b(item.body, digest_size=_DIGEST_BYTES).digest()
    statement = _insert(connection, rejects).on_conflict_do_nothing()
    connection.execute(
        statement,
        [
            {
                "shard": item.shard,
                "stream_id": item.stream_id,
                "digest": digest,
                "reason": item.reason,
                "body": item.body,
            }
        ],
    )


def _insert(connection: Connection, table: Any) -> Any:  # noqa: ANN401 - one of two dialects' own
    """An INSERT that may say ON CONFLICT, which is each dialect's own."""
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    return make(table)
