"""Sums usage of a period or of any span of time, from the sums that are kept as entries arrive.

A span is read in parts: whole days, what is left of whole quarters of an hour, and what is left at
its two ends from the entries themselves, so that any instant may be a boundary.
"""

from collections.abc import Iterable, Sequence
from typing import Any

from sqlalchemy import BigInteger, ColumnElement, Connection, and_, cast, func, or_, select

from fluxrouter_server.domain.ids import AccountUid, KeyName, LaneId, ModelId
from fluxrouter_server.domain.ledger import Funds
from fluxrouter_server.domain.periods import Period
from fluxrouter_server.domain.pricing import Usage
from fluxrouter_server.domain.usage import LedgerUsage, UsageMoment, UsageSlice, UsageSums
from fluxrouter_server.ledger.rollups import CUTS, DAY_US, KINDS_LEFT_OUT, QUARTER_US, Grain
from fluxrouter_server.ledger.rows import read_labels
from fluxrouter_server.ledger.tables import SUMS, entries, usage

__all__ = ["read_period_usage", "read_span_usage"]

_KEPT_CUTS = [usage.c[name] for name in CUTS]
_ENTRY_CUTS = [entries.c[name] for name in CUTS]
_ENTRY_QUARTER = entries.c.time_us - entries.c.time_us % QUARTER_US

# PostgreSQL sums BIGINT as NUMERIC, which Python would read as Decimal.
_KEPT_SUMS = [cast(func.sum(usage.c[name]), BigInteger) for name in ("requests", *SUMS)]
_ENTRY_SUMS = [
    func.count().filter(entries.c.has_usage),
    *(cast(func.sum(entries.c[name]), BigInteger) for name in SUMS),
]


def read_period_usage(connection: Connection, uid: AccountUid, period_start_us: int) -> LedgerUsage:
    """Sum everything that belongs to the period, whenever it happened."""
    where = usage.c.period_start_us == period_start_us
    return LedgerUsage(
        tuple(_kept_slices(connection, uid, Grain.DAY_CUT, where)),
        tuple(_kept_moments(connection, uid, where)),
    )


def read_span_usage(connection: Connection, uid: AccountUid, span: Period) -> LedgerUsage:
    """Sum everything that happened in the span, whichever period it belongs to."""
    quarters = _whole(span, QUARTER_US)
    days = _whole(quarters, DAY_US)
    slices: list[UsageSlice] = []
    moments: list[UsageMoment] = []
    if days.start_us < days.end_us:
        slices += _kept_slices(connection, uid, Grain.DAY_CUT, _within(usage.c.bucket_us, days))
    for part in _around(quarters, days):
        where = _within(usage.c.bucket_us, part)
        slices += _kept_slices(connection, uid, Grain.QUARTER_CUT, where)
    if quarters.start_us < quarters.end_us:
        moments += _kept_moments(connection, uid, _within(usage.c.bucket_us, quarters))
    ends = [_within(entries.c.time_us, part) for part in _around(span, quarters)]
    if ends:
        slices += _entry_slices(connection, uid, or_(*ends))
        moments += _entry_moments(connection, uid, or_(*ends))
    return LedgerUsage(tuple(slices), tuple(moments))


def _whole(span: Period, step_us: int) -> Period:
    """The whole steps within a span; one that has none is empty and lies at its begin."""
    first, last = -(-span.start_us // step_us) * step_us, span.end_us // step_us * step_us
    return Period(first, last) if first < last else Period(span.start_us, span.start_us)


def _around(span: Period, inner: Period) -> list[Period]:
    """What is left of a span on both sides of one within it."""
    sides = (Period(span.start_us, inner.start_us), Period(inner.end_us, span.end_us))
    return [side for side in sides if side.start_us < side.end_us]


def _within(column: ColumnElement[int], part: Period) -> ColumnElement[bool]:
    return and_(column >= part.start_us, column < part.end_us)


def _kept_slices(
    connection: Connection, uid: AccountUid, grain: Grain, where: ColumnElement[bool]
) -> Iterable[UsageSlice]:
    statement = select(*_KEPT_CUTS, *_KEPT_SUMS).where(_kept(uid, grain), where)
    return map(_read_slice, connection.execute(statement.group_by(*_KEPT_CUTS)))


def _kept_moments(
    connection: Connection, uid: AccountUid, where: ColumnElement[bool]
) -> Iterable[UsageMoment]:
    bucket = usage.c.bucket_us
    statement = select(bucket, *_KEPT_SUMS).where(_kept(uid, Grain.QUARTER), where)
    return map(_read_moment, connection.execute(statement.group_by(bucket)))


def _kept(uid: AccountUid, grain: Grain) -> ColumnElement[bool]:
    return and_(usage.c.uid == uid, usage.c.grain == int(grain))


def _entry_slices(
    connection: Connection, uid: AccountUid, where: ColumnElement[bool]
) -> Iterable[UsageSlice]:
    statement = select(*_ENTRY_CUTS, *_ENTRY_SUMS).where(_summed(uid), where)
    return map(_read_slice, connection.execute(statement.group_by(*_ENTRY_CUTS)))


def _entry_moments(
    connection: Connection, uid: AccountUid, where: ColumnElement[bool]
) -> Iterable[UsageMoment]:
    statement = select(_ENTRY_QUARTER, *_ENTRY_SUMS).where(_summed(uid), where)
    return map(_read_moment, connection.execute(statement.group_by(_ENTRY_QUARTER)))


def _summed(uid: AccountUid) -> ColumnElement[bool]:
    return and_(entries.c.uid == uid, entries.c.kind.not_in(KINDS_LEFT_OUT))


def _read_slice(row: Sequence[Any]) -> UsageSlice:
    model, lane, key, labels, *numbers = row
    return UsageSlice(
        ModelId(model), LaneId(lane), KeyName(key), read_labels(labels), _read_sums(numbers)
    )


def _read_moment(row: Sequence[Any]) -> UsageMoment:
    start_us, *numbers = row
    return UsageMoment(start_us, _read_sums(numbers))


def _read_sums(numbers: Sequence[int]) -> UsageSums:
    """Read a number of requests, then sums in the order of SUMS."""
    requests, fresh, cached, cache_write, output, reasoning, *funds = numbers
    return UsageSums(requests, Usage(fresh, cached, cache_write, output, reasoning), Funds(*funds))
