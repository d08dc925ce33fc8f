"""What an account's counters must be, from its entries alone: for the check and for a rebuild."""

from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass, field
from json import loads
from typing import Final

from sqlalchemy import BigInteger, Connection, cast, func, select

from fluxrouter_server.domain.ledger import EntryKind
from fluxrouter_server.ledger.tables import accounts, controls, entries
from fluxrouter_server.services.ports.ledger import CounterQuery, DerivedCounters, DerivedPeriod

__all__ = ["derive_counters"]

_HOUR_LEVEL: Final = "H"


def derive_counters(
    connection: Connection, queries: Sequence[CounterQuery]
) -> list[DerivedCounters]:
    """Add up each account's entries up to a place in its sequence, for its periods not closed."""
    return [_derive(connection, query) for query in queries]


@dataclass(slots=True)
class _Sums:
    """One period's counters while its entries are added up."""

    settled: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    absorbed_nano_usd: int = 0
    included_nano_usd: int = 0


def _derive(connection: Connection, query: CounterQuery) -> DerivedCounters:
    periods: dict[tuple[int, int, int], _Sums] = defaultdict(_Sums)
    for number, start, end, levels, billed, absorbed, included in _sums(connection, query):
        sums = periods[number, start, end]
        sums.absorbed_nano_usd += absorbed
        sums.included_nano_usd += included
        for level in loads(levels):
            if level != _HOUR_LEVEL:
                sums.settled[level] += billed
    alerts = _alerts(connection, query)
    filled, latest = _places(connection, query)
    return DerivedCounters(
        uid=query.uid,
        entries=filled,
        latest_seq=latest,
        periods=tuple(
            DerivedPeriod(
                number=number,
                start_us=start,
                end_us=end,
                settled=dict(sums.settled),
                absorbed_nano_usd=sums.absorbed_nano_usd,
                included_nano_usd=sums.included_nano_usd,
                alerted_percent=alerts.get(number, 0),
            )
            for (number, start, end), sums in sorted(periods.items())
        ),
        hours=_hours(connection, query),
    )


def _sums(
    connection: Connection, query: CounterQuery
) -> Sequence[tuple[int, int, int, str, int, int, int]]:
    cuts = (
        entries.c.period,
        entries.c.period_start_us,
        entries.c.period_end_us,
        entries.c.levels,
    )
    sums = [
        cast(func.sum(entries.c[name]), BigInteger)
        for name in ("billed_nano_usd", "absorbed_nano_usd", "included_nano_usd")
    ]
    statement = select(*cuts, *sums).where(
        entries.c.uid == query.uid,
        entries.c.seq <= query.last_seq,
        entries.c.period > query.closed_period,
        entries.c.kind.not_in([EntryKind.ALERT.value, EntryKind.PERIOD_CLOSE.value]),
    )
    return [tuple(row) for row in connection.execute(statement.group_by(*cuts))]


def _hours(connection: Connection, query: CounterQuery) -> dict[int, int]:
    """What is settled by hour; what is credited after a period was closed is given back there."""
    if query.first_hour is None:
        return {}
    settled = cast(func.sum(entries.c.billed_nano_usd - entries.c.credit_nano_usd), BigInteger)
    statement = (
        select(entries.c.hour, entries.c.levels, settled)
        .where(
            entries.c.uid == query.uid,
            entries.c.seq <= query.last_seq,
            entries.c.hour >= query.first_hour,
        )
        .group_by(entries.c.hour, entries.c.levels)
    )
    hours: dict[int, int] = defaultdict(int)
    for hour, levels, amount in connection.execute(statement):
        if _HOUR_LEVEL in loads(levels):
            hours[hour] += amount
    return dict(hours)


def _alerts(connection: Connection, query: CounterQuery) -> dict[int, int]:
    statement = (
        select(entries.c.period, func.max(entries.c.percent))
        .where(
            entries.c.uid == query.uid,
            entries.c.seq <= query.last_seq,
            entries.c.period > query.closed_period,
            entries.c.kind == EntryKind.ALERT.value,
        )
        .group_by(entries.c.period)
    )
    return {row.period: row[1] for row in connection.execute(statement)}


def _places(connection: Connection, query: CounterQuery) -> tuple[int, int]:
    """How many of the sequence's places are filled, pruned ones included; and the latest of all."""
    statement = select(accounts.c.pruned_seq, accounts.c.seq)
    known = connection.execute(statement.where(accounts.c.uid == query.uid)).one_or_none()
    pruned, latest = (0, 0) if known is None else known
    filled = min(pruned, query.last_seq)
    for table in (entries, controls):
        counted = select(func.count()).select_from(table).where(table.c.uid == query.uid)
        counted = counted.where(table.c.seq <= query.last_seq, table.c.seq > pruned)
        filled += connection.scalar(counted) or 0
    return filled, latest
