"""Billing months: from an anchor day in a time zone, as half-open spans of absolute time.

A period begins on the anchor day at local midnight: the first instant of that local day. Where a
month is shorter than the anchor day it is the month's last day. Where clocks skip midnight (or the
whole day) it is the first instant after the gap; where midnight comes twice it is the first.

The open period of an account is data in the store and ends by the store's clock alone; what is
computed here is only a proposal for the next one (docs/protocol.md §6), so a replica with an older
time zone database can neither lengthen nor shorten a period that is open.
"""

import re
from calendar import monthrange
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

#: An anchor day or zone that changes must not shorten a period below this many local days.
MIN_PERIOD_DAYS = 28

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)
# Names of the IANA database. The pattern keeps paths (`../x`, `/etc/x`) from reaching the loader.
_ZONE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_+-]*(/[A-Za-z0-9_+-]+){0,2}", re.ASCII)
_MAX_ZONE_CHARACTERS = 64
# Files that systems keep beside the database: they differ from machine to machine, or count leap
# seconds that no clock of ours has.
_NOT_A_ZONE = ("Factory", "localtime", "posix/", "posixrules", "right/")


class ZoneError(ValueError):
    """No time zone has that name. The message says what would be right."""


@dataclass(frozen=True, slots=True)
class Period:
    """`[start_us, end_us)`, µs since 1970 UTC."""

    start_us: int
    end_us: int

    def contains(self, now_us: int) -> bool:
        """Whether the instant lies in the period; the end does not."""
        return self.start_us <= now_us < self.end_us


def first_period(now_us: int, anchor_day: int, zone: str) -> Period:
    """Return the period that contains the instant, for an account that has none yet.

    Raises:
        ZoneError: no time zone has that name.
        ValueError: the anchor day is not from 1 to 31.
    """
    local = _local(now_us, zone)
    month = _month(local)
    # One month of slack on either side: where clocks fall back over midnight, an instant after the
    # first midnight still bears the previous day's date.
    for candidate in (month - 1, month, month + 1):
        period = Period(
            _anchor_us(candidate, anchor_day, zone), _anchor_us(candidate + 1, anchor_day, zone)
        )
        if period.contains(now_us):
            return period
    raise AssertionError(f"no period contains {now_us} in {zone}")  # anchors are contiguous


def next_period(open_end_us: int, now_us: int, anchor_day: int, zone: str) -> Period:
    """Return the period to open after one that ended (or is about to end) at `open_end_us`.

    The first one starts at that very end and lasts until the first anchor at least 28 local days
    later, so that a changed anchor or zone leaves neither gap nor overlap and never grants a second
    month's cap within days. If that one has passed too, the account was idle: the one that
    contains the instant is returned, and those between stay empty.

    An instant before `open_end_us` (the caller's clock is behind) gets the first one as well.

    Raises:
        ZoneError: no time zone has that name.
        ValueError: the anchor day is not from 1 to 31.
    """
    following = _following(open_end_us, anchor_day, zone)
    if now_us < following.end_us:
        return following
    # From here on every period begins at an anchor of this day and zone, as first periods do.
    return first_period(now_us, anchor_day, zone)


def proposed_period(open_end_us: int | None, now_us: int, anchor_day: int, zone: str) -> Period:
    """Return what to propose to the store: the first period, or the one after the open one."""
    if open_end_us is None:
        return first_period(now_us, anchor_day, zone)
    return next_period(open_end_us, now_us, anchor_day, zone)


# Loading a zone reads a file of the system or of the package tzdata. It is the one exception to
# the rule that the domain does no input: the data is as constant as code, it is read once, and a
# port for it would only move the same line elsewhere. There are some 600 names in all.
@lru_cache(maxsize=1024)
def load_zone(name: str) -> ZoneInfo:
    """Return a time zone by its IANA name.

    Raises:
        ZoneError: no time zone has that name.
    """
    remedy = "use an IANA name such as Europe/Berlin, or UTC"
    is_name = len(name) <= _MAX_ZONE_CHARACTERS and _ZONE_NAME.fullmatch(name)
    if not is_name or name.startswith(_NOT_A_ZONE):
        raise ZoneError(f"{name[:_MAX_ZONE_CHARACTERS]!a} is no time zone; {remedy}")
    try:
        return ZoneInfo(name)
    # The loader opens whatever lies under the name: directories and stray files are errors of its.
    except (ZoneInfoNotFoundError, ValueError, OSError) as error:
        raise ZoneError(f"unknown time zone {name!r}; {remedy}") from error


@lru_cache(maxsize=8192)
def _following(start_us: int, anchor_day: int, zone: str) -> Period:
    first_date = _local(start_us, zone).date()
    month = _month(first_date)
    while (_anchor_date(month, anchor_day) - first_date).days < MIN_PERIOD_DAYS:
        month += 1
    return Period(start_us, _anchor_us(month, anchor_day, zone))


# Accounts share days and zones, so a few thousand entries serve any number of accounts.
@lru_cache(maxsize=8192)
def _anchor_us(month: int, anchor_day: int, zone: str) -> int:
    return _day_start_us(_anchor_date(month, anchor_day), load_zone(zone))


def _anchor_date(month: int, anchor_day: int) -> date:
    """The anchor of a month, which is counted as years × 12 + months from 0."""
    if not 1 <= anchor_day <= 31:  # noqa: PLR2004 - days of a month
        raise ValueError(f"anchor day {anchor_day}; use 1 to 31")
    year, month_from_0 = divmod(month, 12)
    days = monthrange(year, month_from_0 + 1)[1]
    return date(year, month_from_0 + 1, min(anchor_day, days))


def _month(day: date) -> int:
    return day.year * 12 + day.month - 1


def _local(instant_us: int, zone: str) -> datetime:
    return (_EPOCH + timedelta(microseconds=instant_us)).astimezone(load_zone(zone))


def _day_start_us(day: date, zone: ZoneInfo) -> int:
    """The first instant at which the zone's calendar shows the day or a later one."""
    midnight = datetime(day.year, day.month, day.day, tzinfo=zone)  # fold 0: the first of two
    start = midnight.astimezone(UTC)
    if start.astimezone(zone).replace(tzinfo=None) == midnight.replace(tzinfo=None):
        return _us(start)
    # Midnight is skipped. Read with the offset after the gap it lies before the gap, with the
    # offset before the gap it lies after: the gap's end is between, to the second.
    before = _us(midnight.replace(fold=1).astimezone(UTC))
    after = _us(start)
    while after - before > 1_000_000:  # noqa: PLR2004 - one second in µs
        middle = (before + after) // 2_000_000 * 1_000_000
        if _local(middle, zone.key).date() >= day:
            after = middle
        else:
            before = middle
    return after


def _us(instant: datetime) -> int:
    return (instant - _EPOCH) // _MICROSECOND
