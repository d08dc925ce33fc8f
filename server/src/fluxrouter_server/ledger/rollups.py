"""Usage summed as it arrives: a month of millions of entries reads as some thousand rows.

Sums of one account and period are kept at three grains, because two questions are asked of them.
What was served by what is read from whole days, cut by model, lane, key and labels, and from
quarters of an hour where a span of time begins or ends within a day. When it was is read from
quarters that are not cut at all: quarters, because no time zone's day begins anywhere else. All are
written in the very transaction that writes the entries, so they never differ from them.
"""

from collections.abc import Iterable, Mapping, Sequence
from enum import IntEnum
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final

from sqlalchemy import BigInteger, Connection, cast, delete, func, insert, select
from sqlalchemy.dialects import postgresql, sqlite

from fluxrouter_server.domain.ids import AccountUid
from fluxrouter_server.domain.ledger import KINDS_WITHOUT_MONEY, EntryKind
from fluxrouter_server.ledger.tables import SUMS, entries, usage

__all__ = [
    "CUTS",
    "DAY_US",
    "KINDS_LEFT_OUT",
    "QUARTER_US",
    "Grain",
    "add_usage",
    "rebuild_usage",
    "relabel_usage",
]

QUARTER_US: Final = 15 * 60 * 1_000_000
DAY_US: Final = 24 * 3600 * 1_000_000


class Grain(IntEnum):
    """What a row sums."""

    QUARTER = 0  # everything of a quarter of an hour
    QUARTER_CUT = 1  # the same, by model, lane, key and labels
    DAY_CUT = 2  # a day (UTC), by the same


#: By what sums are cut.
CUTS: Final = ("model", "lane", "key_name", "labels")

KINDS_LEFT_OUT: Final = frozenset(
    {kind.value for kind in KINDS_WITHOUT_MONEY} | {EntryKind.RELEASE.value}
)
"""They would add nothing but zeros."""

_KEY: Final = ("uid", "grain", "bucket_us", "period_start_us", "dimensions")
_NO_CUTS: Final = dict.fromkeys(CUTS, "")
_DIGEST_BYTES: Final = 16
_DIGESTS_REMEMBERED: Final = 65_536
_ACCOUNTS_AT_ONCE: Final = 100

Row = Mapping[Any, Any]


def add_usage(connection: Connection, rows: Iterable[Row]) -> None:
    """Add new entries' rows to the sums."""
    sums: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        if row["kind"] not in KINDS_LEFT_OUT:
            _add(sums, {**row, "requests": int(row["has_usage"])}, row["time_us"])
    if sums:
        # In the order of the key, so that two writers never wait for each other.
        connection.execute(_add_statement(connection), [sums[key] for key in sorted(sums)])


def rebuild_usage(connection: Connection, uids: Sequence[AccountUid] | None = None) -> None:
    """Sum the entries of these accounts anew, or of all; needs their shards' locks.

    For entries that came another way than through `add_usage`, as by a bulk load.
    """
    if uids is None:
        uids = list(connection.scalars(select(entries.c.uid).distinct()))
    for first in range(0, len(uids), _ACCOUNTS_AT_ONCE):
        some = uids[first : first + _ACCOUNTS_AT_ONCE]
        connection.execute(delete(usage).where(usage.c.uid.in_(some)))
        sums: dict[tuple[Any, ...], dict[str, Any]] = {}
        for row in connection.execute(_quarters_of(some)).mappings():
            _add(sums, row, row["bucket_us"])
        if sums:
            connection.execute(insert(usage), list(sums.values()))


def relabel_usage(connection: Connection, uid: AccountUid, *, before: str, after: str) -> None:
    """Move an account's sums from one set of labels to another; needs its shard's lock."""
    had = (usage.c.uid == uid, usage.c.labels == before, usage.c.grain != int(Grain.QUARTER))
    rows = [dict(row) for row in connection.execute(select(usage).where(*had)).mappings()]
    connection.execute(delete(usage).where(*had))
    sums: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        row["labels"] = after
        row["dimensions"] = _digest(*(row[name] for name in CUTS))
        sums[tuple(row[name] for name in _KEY)] = row
    if sums:
        connection.execute(_add_statement(connection), [sums[key] for key in sorted(sums)])


def _quarters_of(uids: Sequence[AccountUid]) -> Any:  # noqa: ANN401 - a SELECT of many columns
    """Sums of entries at the finest grain; the others follow from them."""
    bucket = (entries.c.time_us - entries.c.time_us % QUARTER_US).label("bucket_us")
    grouped = (entries.c.uid, entries.c.period_start_us, *(entries.c[name] for name in CUTS))
    # PostgreSQL sums BIGINT as NUMERIC, which Python would read as Decimal.
    sums = (cast(func.sum(entries.c[name]), BigInteger).label(name) for name in SUMS)
    return (
        select(bucket, *grouped, func.count().filter(entries.c.has_usage).label("requests"), *sums)
        .where(entries.c.uid.in_(uids), entries.c.kind.not_in(KINDS_LEFT_OUT))
        .group_by(bucket, *grouped)
    )


def _add(sums: dict[tuple[Any, ...], dict[str, Any]], row: Row, time_us: int) -> None:
    """Add a row to its sum at each grain."""
    quarter_us, day_us = time_us - time_us % QUARTER_US, time_us - time_us % DAY_US
    cuts = {name: row[name] for name in CUTS}
    digest = _digest(*cuts.values())
    places = (
        (Grain.QUARTER, quarter_us, b"", _NO_CUTS),
        (Grain.QUARTER_CUT, quarter_us, digest, cuts),
        (Grain.DAY_CUT, day_us, digest, cuts),
    )
    for grain, bucket_us, dimensions, texts in places:
        key = (row["uid"], int(grain), bucket_us, row["period_start_us"], dimensions)
        found = sums.get(key)
        if found is None:
            first = {name: row[name] for name in ("requests", *SUMS)}
            sums[key] = {**dict(zip(_KEY, key, strict=True)), **texts, **first}
            continue
        found["requests"] += row["requests"]
        for name in SUMS:
            found[name] += row[name]


def _add_statement(connection: Connection) -> Any:  # noqa: ANN401 - one of two dialects' own
    make = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = make(usage)
    return statement.on_conflict_do_update(
        index_elements=[usage.c[name] for name in _KEY],
        set_={name: usage.c[name] + statement.excluded[name] for name in ("requests", *SUMS)},
    )


@lru_cache(maxsize=_DIGESTS_REMEMBERED)
def _digest(*texts: str) -> bytes:
    """Stands for the texts in the key; lengths are written too, so that no two sets look alike."""
    joined = "".join(f"{len(text)}:{text}" for text in texts)
    return blake2b(joined.encode(), digest_size=_DIGEST_BYTES).digest()
