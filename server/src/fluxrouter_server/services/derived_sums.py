"""Adds entries that the ledger has not taken yet to what it adds up to."""

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

from fluxrouter_server.domain.ledger import AnyEntry, EntryKind, LedgerEntry, UnreadableEntry
from fluxrouter_server.services.ports.ledger import CounterQuery, DerivedCounters, DerivedPeriod

__all__ = ["with_pending"]

_HOUR_LEVEL: Final = "H"


@dataclass(slots=True)
class _Sums:
    """One period while entries are added."""

    number: int
    start_us: int
    end_us: int
    settled: dict[str, int] = field(default_factory=lambda: defaultdict(int))
    absorbed_nano_usd: int = 0
    included_nano_usd: int = 0
    alerted_percent: int = 0


def with_pending(
    derived: DerivedCounters, pending: Iterable[AnyEntry], query: CounterQuery
) -> DerivedCounters:
    """Add the entries after the ledger's latest and up to the query's; the others are left out."""
    periods = {period.number: _sums(period) for period in derived.periods}
    hours: dict[int, int] = defaultdict(int, derived.hours)
    filled, latest = derived.entries, derived.latest_seq
    for entry in pending:
        if isinstance(entry, UnreadableEntry) or not latest < entry.seq <= query.last_seq:
            continue
        filled += 1
        latest = entry.seq
        if isinstance(entry, LedgerEntry):
            _add(periods, hours, entry, query)
    return DerivedCounters(
        uid=derived.uid,
        entries=filled,
        latest_seq=latest,
        periods=tuple(_period(periods[number]) for number in sorted(periods)),
        hours=dict(hours),
    )


def _add(
    periods: dict[int, _Sums], hours: dict[int, int], entry: LedgerEntry, query: CounterQuery
) -> None:
    if entry.kind is EntryKind.PERIOD_CLOSE:
        return
    funds = entry.funds
    is_counted = query.first_hour is not None and entry.hour >= query.first_hour
    if is_counted and _HOUR_LEVEL in entry.levels:
        hours[entry.hour] += funds.billed_nano_usd - funds.credit_nano_usd
    if entry.period <= query.closed_period:
        return
    sums = periods.setdefault(
        entry.period, _Sums(entry.period, entry.period_start_us, entry.period_end_us)
    )
    sums.alerted_percent = max(sums.alerted_percent, entry.percent)
    sums.absorbed_nano_usd += funds.absorbed_nano_usd
    sums.included_nano_usd += funds.included_nano_usd
    for level in entry.levels:
        if level != _HOUR_LEVEL:
            sums.settled[level] += funds.billed_nano_usd


def _sums(period: DerivedPeriod) -> _Sums:
    return _Sums(
        number=period.number,
        start_us=period.start_us,
        end_us=period.end_us,
        settled=defaultdict(int, period.settled),
        absorbed_nano_usd=period.absorbed_nano_usd,
        included_nano_usd=period.included_nano_usd,
        alerted_percent=period.alerted_percent,
    )


def _period(sums: _Sums) -> DerivedPeriod:
    return DerivedPeriod(
        number=sums.number,
        start_us=sums.start_us,
        end_us=sums.end_us,
        settled=dict(sums.settled),
        absorbed_nano_usd=sums.absorbed_nano_usd,
        included_nano_usd=sums.included_nano_usd,
        alerted_percent=sums.alerted_percent,
    )
