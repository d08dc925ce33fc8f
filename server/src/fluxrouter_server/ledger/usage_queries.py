"""Sums usage of a period or of any span of time, from the sums that are kept as entries arrive.

A span's whole quarters of an hour are read from those sums, what is left at its two ends from the
entries themselves, so that any instant may be a boundary.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from sqlalchemy import (
    BigInteger,
    ColumnElement,
    Connection,
    FromClause,
    and_,
    cast,
    func,
    or_,
    select,
)

from fluxrouter_server.domain.ids import AccountUid, KeyName, LaneId, ModelId
from fluxrouter_server.domain.ledger import Funds
from fluxrouter_server.domain.periods import Period
from fluxrouter_server.domain.pricing import Usage
from fluxrouter_server.domain.usage import LedgerUsage, UsageMoment, UsageSlice, UsageSums
from fluxrouter_server.ledger.rollups import BUCKET_US, KINDS_LEFT_OUT
from fluxrouter_server.ledger.rows import read_labels
from fluxrouter_server.ledger.tables import SUMS, entries, usage

__all__ = ["read_period_usage", "read_span_usage"]

_CUTS = ("model", "lane", "key_name", "labels")


def read_period_usage(connection: Connection, uid: AccountUid, period_start_us: int) -> LedgerUsage:
    """Sum everything that belongs to the period, whenever it happened."""
    where = and_(usage.c.uid == uid, usage.c.period_start_us == period_start_us)
    return _read_sums(connection, where)


def read_span_usage(connection: Connection, uid: AccountUid, span: Period) -> LedgerUsage:
    """Sum everything that happened in the span, whichever period it belongs to."""
    first = -(-span.start_us // BUCKET_US) * BUCKET_US
    last = span.end_us // BUCKET_US * BUCKET_US
    time = entries.c.time_us
    if first >= last:
        return _read_entries(connection, uid, and_(time >= span.start_us, time < span.end_us))
    inner = _read_sums(
        connection,
        and_(usage.c.uid == uid, usage.c.bucket_us >= first, usage.c.bucket_us < last),
    )
    edges = _read_entries(
        connection,
        uid,
        or_(
            and_(time >= span.start_us, time < first),
            and_(time >= last, time < span.end_us),
        ),
    )
    return LedgerUsage(inner.slices + edges.slices, inner.moments + edges.moments)


def _read_sums(connection: Connection, where: ColumnElement[bool]) -> LedgerUsage:
    kept = _Source(usage, usage.c.bucket_us, func.sum(usage.c.requests))
    return _read(connection, kept, where)


def _read_entries(
    connection: Connection, uid: AccountUid, where: ColumnElement[bool]
) -> LedgerUsage:
    bucket = entries.c.time_us - entries.c.time_us % BUCKET_US
    single = _Source(entries, bucket, func.count().filter(entries.c.has_usage))
    of_account = and_(entries.c.uid == uid, entries.c.kind.not_in(KINDS_LEFT_OUT), where)
    return _read(connection, single, of_account)


@dataclass(frozen=True, slots=True)
class _Source:
    """Rows that have what is summed, and how to tell their quarter and to count requests."""

    table: FromClause
    bucket: ColumnElement[int]
    requests: ColumnElement[int]


def _read(connection: Connection, source: _Source, where: ColumnElement[bool]) -> LedgerUsage:
    columns = source.table.c
    # PostgreSQL sums BIGINT as NUMERIC, which Python would read as Decimal.
    sums = [cast(source.requests, BigInteger)]
    sums += [cast(func.sum(columns[name]), BigInteger) for name in SUMS]
    cuts = [columns[name] for name in _CUTS]
    slices = connection.execute(select(*cuts, *sums).where(where).group_by(*cuts))
    moments = connection.execute(select(source.bucket, *sums).where(where).group_by(source.bucket))
    return LedgerUsage(
        tuple(
            UsageSlice(
                ModelId(model), LaneId(lane), KeyName(key), read_labels(labels), _read_row(numbers)
            )
            for model, lane, key, labels, *numbers in slices
        ),
        tuple(UsageMoment(start_us, _read_row(numbers)) for start_us, *numbers in moments),
    )


def _read_row(numbers: Sequence[int]) -> UsageSums:
    """Read a number of requests, then sums in the order of SUMS."""
    requests, fresh, cached, cache_write, output, reasoning, *funds = numbers
    return UsageSums(requests, Usage(fresh, cached, cache_write, output, reasoning), Funds(*funds))
