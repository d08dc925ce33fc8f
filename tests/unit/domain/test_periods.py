from datetime import UTC, date, datetime, time, timedelta
from zoneinfo import ZoneInfo

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fluxrouter_server.domain.periods import (
    Period,
    ZoneError,
    first_period,
    load_zone,
    next_period,
    proposed_period,
)

DAY_US = 86_400_000_000
# Zones that skip midnight (Havana, Cairo, Beirut, Asuncion, Sao_Paulo), a day (Apia, Kwajalein) or
# half an hour (Lord_Howe), that fall back over midnight (Azores, St_Johns), and plain ones.
ZONES = [
    "UTC",
    "Europe/Berlin",
    "America/Havana",
    "Africa/Cairo",
    "Asia/Beirut",
    "America/Asuncion",
    "America/Sao_Paulo",
    "Pacific/Apia",
    "Pacific/Kwajalein",
    "Australia/Lord_Howe",
    "Atlantic/Azores",
    "Asia/Kathmandu",
    "America/St_Johns",
]
ANCHOR = st.integers(1, 31)
ZONE = st.sampled_from(ZONES)


def us(year: int, month: int, day: int, *clock: int) -> int:
    """µs since 1970 of a time in UTC."""
    instant = datetime.combine(date(year, month, day), time(*clock), UTC)
    return (instant - datetime(1970, 1, 1, tzinfo=UTC)) // timedelta(microseconds=1)


NOW = st.integers(us(1970, 6, 1), us(2069, 1, 1))


def local_date(instant_us: int, zone: str) -> date:
    return (
        (datetime(1970, 1, 1, tzinfo=UTC) + timedelta(microseconds=instant_us))
        .astimezone(ZoneInfo(zone))
        .date()
    )


def is_anchor(instant_us: int, anchor_day: int, zone: str) -> bool:
    """Whether the instant is the first of its local day, and that day the month's anchor."""
    day, previous = local_date(instant_us, zone), local_date(instant_us - 1, zone)
    # A skipped anchor day lies between the day before and the day on which clocks went on.
    passed = [previous + timedelta(n) for n in range(1, (day - previous).days + 1)]
    return any(
        one.day == anchor_day or (one.day < anchor_day and (one + timedelta(1)).day == 1)
        for one in passed
    )


@given(NOW, ANCHOR, ZONE)
@example(us(2011, 12, 30, 10), 30, "Pacific/Apia")  # the local day 2011-12-30 never was
@example(us(1993, 8, 21, 12), 21, "Pacific/Kwajalein")
def test_a_first_period_contains_now_between_two_anchors(
    now: int, anchor_day: int, zone: str
) -> None:
    period = first_period(now, anchor_day, zone)
    assert period.contains(now)
    assert is_anchor(period.start_us, anchor_day, zone)
    assert is_anchor(period.end_us, anchor_day, zone)
    assert (
        28
        <= (local_date(period.end_us, zone) - local_date(period.start_us, zone)).days
        <= 32  # the day that Apia skipped made one of 31 days end on the 32nd
    )


@given(NOW, ANCHOR, ZONE)
def test_periods_follow_each_other_without_gap_or_overlap(
    now: int, anchor_day: int, zone: str
) -> None:
    period = first_period(now, anchor_day, zone)
    for _ in range(14):
        following = next_period(period.end_us, period.end_us, anchor_day, zone)
        assert following.start_us == period.end_us < following.end_us
        assert following == first_period(following.start_us, anchor_day, zone)
        assert following == first_period(following.end_us - 1, anchor_day, zone)
        period = following


@given(NOW, st.lists(st.tuples(ANCHOR, ZONE), min_size=2, max_size=12))
def test_anchors_and_zones_that_are_toggled_leave_neither_gap_nor_a_short_period(
    now: int, settings: list[tuple[int, str]]
) -> None:
    period = first_period(now, *settings[0])
    for anchor_day, zone in settings[1:]:
        following = next_period(period.end_us, period.end_us, anchor_day, zone)
        assert following.start_us == period.end_us
        days = (local_date(following.end_us, zone) - local_date(following.start_us, zone)).days
        assert 28 <= days < 28 + 32
        assert is_anchor(following.end_us, anchor_day, zone)
        period = following


@given(NOW, st.integers(0, 400 * DAY_US), ANCHOR, ZONE)
def test_after_idle_months_the_proposal_is_what_opening_each_would_have_led_to(
    open_end: int, idle: int, anchor_day: int, zone: str
) -> None:
    now = open_end + idle
    walked = next_period(open_end, open_end, anchor_day, zone)
    while walked.end_us <= now:
        walked = next_period(walked.end_us, walked.end_us, anchor_day, zone)
    assert next_period(open_end, now, anchor_day, zone) == walked
    assert walked.contains(now)


def test_a_clock_that_is_behind_gets_the_period_that_follows() -> None:
    end = us(2026, 3, 1)
    assert next_period(end, end - 5, 1, "UTC") == Period(end, us(2026, 4, 1))


@pytest.mark.parametrize(
    "now,anchor_day,start,end",
    [
        (us(2026, 2, 15), 31, us(2026, 1, 31), us(2026, 2, 28)),
        (us(2028, 2, 28), 31, us(2028, 1, 31), us(2028, 2, 29)),
        (us(2028, 2, 29), 30, us(2028, 2, 29), us(2028, 3, 30)),
        (us(2026, 2, 28), 29, us(2026, 2, 28), us(2026, 3, 29)),
        (us(2026, 4, 30) - 1, 31, us(2026, 3, 31), us(2026, 4, 30)),
        (us(2025, 12, 31, 23, 59), 1, us(2025, 12, 1), us(2026, 1, 1)),
    ],
)
def test_an_anchor_is_clamped_to_the_last_day_of_shorter_months(
    now: int, anchor_day: int, start: int, end: int
) -> None:
    assert first_period(now, anchor_day, "UTC") == Period(start, end)


def test_a_month_with_a_change_of_clocks_is_an_hour_shorter_or_longer() -> None:
    march = first_period(us(2024, 3, 15), 1, "Europe/Berlin")
    october = first_period(us(2024, 10, 15), 1, "Europe/Berlin")
    assert march.end_us - march.start_us == 31 * DAY_US - 3_600_000_000
    assert october.end_us - october.start_us == 31 * DAY_US + 3_600_000_000


def test_where_midnight_is_skipped_the_day_begins_after_the_gap() -> None:
    # Havana: 2024-03-10 00:00 became 01:00.
    assert first_period(us(2024, 3, 20), 10, "America/Havana").start_us == us(2024, 3, 10, 5)


def test_where_a_gap_begins_before_midnight_the_day_begins_at_its_end() -> None:
    # Toronto: 1919-03-30 23:30 became 1919-03-31 00:30, whose UTC is 04:30.
    period = first_period(us(1919, 4, 5), 31, "America/Toronto")
    assert period.start_us == us(1919, 3, 31, 4, 30)


def test_where_the_anchor_day_never_was_the_period_begins_on_the_next() -> None:
    # Apia went from 2011-12-29 24:00 (UTC-10) to 2011-12-31 00:00 (UTC+14).
    assert first_period(us(2012, 1, 5), 30, "Pacific/Apia").start_us == us(2011, 12, 30, 10)


def test_where_midnight_comes_twice_the_first_counts() -> None:
    # Havana: 2024-11-03 01:00 became 00:00 again; the first midnight is 04:00 UTC.
    assert first_period(us(2024, 11, 5), 3, "America/Havana").start_us == us(2024, 11, 3, 4)


def test_an_instant_after_the_first_midnight_is_in_the_new_month_whatever_its_date() -> None:
    # St John's: 2009-11-01 00:01 became 2009-10-31 23:01; the first midnight is 02:30 UTC.
    period = first_period(us(2009, 11, 1, 3), 1, "America/St_Johns")
    assert period.start_us == us(2009, 11, 1, 2, 30)


def test_the_end_of_a_period_belongs_to_the_next() -> None:
    end, following_end = us(2026, 3, 1), us(2026, 4, 1)
    assert next_period(end, following_end - 1, 1, "UTC").end_us == following_end
    assert next_period(end, following_end, 1, "UTC").start_us == following_end


def test_a_new_anchor_ends_the_next_period_28_days_later_at_the_earliest() -> None:
    end = us(2026, 3, 1)
    assert next_period(end, end, 28, "UTC").end_us == us(2026, 4, 28)  # 27 days would be too short
    assert next_period(end, end, 29, "UTC").end_us == us(2026, 3, 29)


def test_without_an_open_period_the_first_one_is_proposed() -> None:
    now = us(2026, 3, 15)
    assert proposed_period(None, now, 1, "UTC") == Period(us(2026, 3, 1), us(2026, 4, 1))
    assert proposed_period(us(2026, 3, 10), now, 1, "UTC").start_us == us(2026, 3, 10)


@pytest.mark.parametrize(
    "name",
    [
        *("", "Mars/Phobos", "Europe", "europe", "../../etc/passwd", "/etc/localtime", "localtime"),
        *("posixrules", "right/UTC", "Europe/Berlin\x00", "Europe/Berlin ", "Ünï", "A" * 10_000),
        *("tzdata.zi", "zone.tab", "+01:00", "UTC+1"),
    ],
)
def test_an_unknown_zone_is_refused_with_a_remedy(name: str) -> None:
    with pytest.raises(ZoneError, match="use an IANA name such as Europe/Berlin") as refusal:
        load_zone(name)
    assert len(str(refusal.value)) < 200


@pytest.mark.parametrize("anchor_day", [-1, 0, 32])
def test_an_anchor_day_outside_the_month_is_refused(anchor_day: int) -> None:
    with pytest.raises(ValueError, match="use 1 to 31"):
        first_period(us(2026, 3, 15), anchor_day, "UTC")
