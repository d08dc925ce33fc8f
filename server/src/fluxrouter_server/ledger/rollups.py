"""Usage summed as it arrives: a month of millions of entries reads as some thousand rows.

A row holds the sums of one quarter of an hour of one account, period, model, lane, key and set of
labels. Quarters, because no time zone's day begins anywhere else. The sums are written in the very
transaction that writes the entries, so the two never differ.
"""

from collections.abc import Iterable, Mapping, Sequence
from functools import lru_cache
from hashlib import blake2b
from typing import Any, Final

from sqlalchemy import Connection, delete, func, select
from sqlalchemy.dialects import postgresql, sqlite

from fluxrouter_server.domain.ids import AccountUid
from fluxrouter_server.domain.ledger import KINDS_WITHOUT_MONEY, EntryKind
from fluxrouter_server.ledger.tables import SUMS, entries, usage

__all__ = ["BUCKET_US", "KINDS_LEFT_OUT", "add_usage", "rebuild_usage"]

BUCKET_US: Final = 15 * 60 * 1_000_000

KINDS_LEFT_OUT: Final = frozenset(
    {kind.value for kind in KINDS_WITHOUT_MONEY} | {EntryKind.RELEASE.value}
)
"""They would add nothing but zeros."""

_KEY: Final = ("uid", "bucket_us", "period_start_us", "dimensions")
_DIGEST_BYTES: Final = 16
_DIGESTS_REMEMBERED: Final = 65_536
_ACCOUNTS_AT_ONCE: Final = 100

Row = Mapping[str, Any]


def add_usage(connection: Connection, rows: Iterable[Row]) -> None:
    """Add new entries' rows to the sums."""
    sums: dict[tuple[Any, ...], dict[str, Any]] = {}
    for row in rows:
        if row["kind"] in KINDS_LEFT_OUT:
            continue
        bucket_us = row["time_us"] - row["time_us"] % BUCKET_US
        dimensions = _digest(row["model"], row["lane"], row["key_name"], row["labels"])
        key = (row["uid"], bucket_us, row["period_start_us"], dimensions)
        found = sums.get(key)
        if found is None:
            found = sums[key] = _first(key, row)
        found["requests"] += row["has_usage"]
        for name in SUMS:
            found[name] += row[name]
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
        grouped = [entries.c[name] for name in ("model", "lane", "key_name", "labels")]
        bucket = (entries.c.time_us - entries.c.time_us % BUCKET_US).label("bucket_us")
        found = connection.execute(
            select(
                entries.c.uid,
                bucket,
                entries.c.period_start_us,
                *grouped,
                func.count().filter(entries.c.has_usage).label("requests"),
                *(func.sum(entries.c[name]).label(name) for name in SUMS),
            )
            .where(entries.c.uid.in_(some), entries.c.kind.not_in(KINDS_LEFT_OUT))
            .group_by(entries.c.uid, bucket, entries.c.period_start_us, *grouped)
        ).mappings()
        rows = [
            {
                **row,
                **{name: int(row[name]) for name in SUMS},  # PostgreSQL sums BIGINT as NUMERIC
                "dimensions": _digest(row["model"], row["lane"], row["key_name"], row["labels"]),
            }
            for row in found
        ]
        if rows:
            connection.execute(usage.insert(), rows)


def _first(key: tuple[Any, ...], row: Row) -> dict[str, Any]:
    texts = {name: row[name] for name in ("model", "lane", "key_name", "labels")}
    return {**dict(zip(_KEY, key, strict=True)), **texts, "requests": 0, **dict.fromkeys(SUMS, 0)}


def _add_statement(connection: Connection) -> Any:  # noqa: ANN401 - one of two dialects' own
    insert = postgresql.insert if connection.dialect.name == "postgresql" else sqlite.insert
    statement = insert(usage)
    return statement.on_conflict_do_update(
        index_elements=[usage.c[name] for name in _KEY],
        set_={name: usage.c[name] + statement.excluded[name] for name in ("requests", *SUMS)},
    )


@lru_cache(maxsize=_DIGESTS_REMEMBERED)
def _digest(*texts: str) -> bytes:
    """Stands for the texts in the key; lengths are written too, so that no two sets look alike."""
    joined = "".join(f"{len(text)}:{text}" for text in texts)
    return blake2b(joined.encode(), digest_size=_DIGEST_BYTES).digest()
