"""Finds entries: an account's newest first in pages, or all in the order of their chains."""

from collections.abc import Mapping, Sequence

from sqlalchemy import ColumnElement, Connection, select, tuple_

from fluxrouter_server.domain.ids import AccountName, AccountUid
from fluxrouter_server.domain.ledger import LedgerEntry
from fluxrouter_server.ledger.rows import read_row
from fluxrouter_server.ledger.tables import accounts, entries
from fluxrouter_server.services.ports.ledger import EntryFilter, EntryPlace, NumberedPeriod

__all__ = ["list_entries", "next_entries", "period_at", "read_names"]

_NEWEST = (entries.c.time_us, entries.c.epoch, entries.c.seq)
_CHAIN = (entries.c.uid, entries.c.epoch, entries.c.seq)


def list_entries(
    connection: Connection,
    uid: AccountUid,
    wanted: EntryFilter,
    *,
    before: EntryPlace | None,
    limit: int,
) -> Sequence[LedgerEntry]:
    """Return an account's entries, the newest first, from a place on."""
    where = [entries.c.uid == uid, *_conditions(wanted)]
    if before is not None:
        where.append(tuple_(*_NEWEST) < (before.time_us, before.epoch, before.seq))
    statement = select(entries).where(*where).order_by(*(column.desc() for column in _NEWEST))
    return [read_row(row) for row in connection.execute(statement.limit(limit)).mappings()]


def next_entries(
    connection: Connection,
    uid: AccountUid | None,
    wanted: EntryFilter,
    *,
    after: LedgerEntry | None,
    limit: int,
) -> Sequence[LedgerEntry]:
    """Return entries in the order of account and sequence: of one account, or of all."""
    where = _conditions(wanted)
    if uid is not None:
        where.append(entries.c.uid == uid)
    if after is not None:
        where.append(tuple_(*_CHAIN) > (after.uid, after.epoch, after.seq))
    statement = select(entries).where(*where).order_by(*_CHAIN).limit(limit)
    return [read_row(row) for row in connection.execute(statement).mappings()]


def read_names(
    connection: Connection, uids: Sequence[AccountUid]
) -> Mapping[AccountUid, AccountName]:
    """Name accounts as their latest documents do; unknown ones are missing."""
    statement = select(accounts.c.uid, accounts.c.name).where(accounts.c.uid.in_(uids))
    return {
        AccountUid(uid): AccountName(name) for uid, name in connection.execute(statement) if name
    }


def period_at(connection: Connection, uid: AccountUid, instant_us: int) -> NumberedPeriod | None:
    """Find the period with an instant by the first entry after the instant that belongs to it."""
    statement = (
        select(entries.c.period, entries.c.period_start_us, entries.c.period_end_us)
        .where(
            entries.c.uid == uid,
            entries.c.time_us >= instant_us,
            entries.c.period_start_us <= instant_us,
            entries.c.period_end_us > instant_us,
        )
        .order_by(entries.c.time_us)
        .limit(1)
    )
    row = connection.execute(statement).first()
    return None if row is None else NumberedPeriod(*row)


def _conditions(wanted: EntryFilter) -> list[ColumnElement[bool]]:
    where: list[ColumnElement[bool]] = []
    if wanted.start_us is not None:
        where.append(entries.c.time_us >= wanted.start_us)
    if wanted.end_us is not None:
        where.append(entries.c.time_us < wanted.end_us)
    if wanted.request_id:
        where.append(entries.c.request_id == wanted.request_id)
    if wanted.hold_id:
        where.append(entries.c.hold_id == wanted.hold_id)
    if wanted.kinds:
        where.append(entries.c.kind.in_([kind.value for kind in wanted.kinds]))
    return where
