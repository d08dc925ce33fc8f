from typing import Any

import pytest

from fluxrouter.plain_json import to_json
from fluxrouter.v1 import cap_pb2
from fluxrouter_operator.decisions.spend_status import (
    Crossing,
    crossings,
    format_usd,
    spend_status,
)

USD = 1_000_000_000
PERCENTS = (80, 100)


def spend(settled: int, *, cap: int = USD, month: int = 1, **levels: int) -> cap_pb2.Spend:
    """Counters of a month; further levels have the same cap."""
    found = cap_pb2.Spend(
        cap_nano_usd=cap, settled_nano_usd=settled, headroom_nano_usd=max(0, cap - settled)
    )
    found.period_start_time.FromJsonString(f"2027-{month:02}-01T00:00:00Z")
    found.period_end_time.FromJsonString(f"2027-{month + 1:02}-01T00:00:00Z")
    for name, amount in levels.items():
        level = name.replace("__", "/")
        found.levels.add(level=level, cap_nano_usd=cap, settled_nano_usd=amount)
    return found


def status(reading: cap_pb2.Spend, before: dict[str, Any] | None = None) -> dict[str, Any]:
    return to_json(spend_status(reading, before or {}, PERCENTS))


def announced(after: dict[str, Any], before: dict[str, Any]) -> list[tuple[str, int]]:
    return [(crossing.level, crossing.percent) for crossing in crossings(after, before)]


def test_amounts_are_exact_decimal_strings() -> None:
    shown = status(spend(123_456_789))
    assert shown["settledUsd"] == "0.123456789"
    assert shown["remainingUsd"] == "0.876543211"
    assert shown["resetTime"] == "2027-02-01T00:00:00Z"


@pytest.mark.parametrize(
    "nano_usd,text", [(0, "0.00"), (USD, "1.00"), (1, "0.000000001"), (-USD // 2, "-0.50")]
)
def test_an_amount_has_at_least_two_decimals(nano_usd: int, text: str) -> None:
    assert format_usd(nano_usd) == text


def test_crossing_a_threshold_is_announced_once_a_month() -> None:
    below = status(spend(USD * 79 // 100))
    above = status(spend(USD * 80 // 100), below)
    further = status(spend(USD * 90 // 100), above)
    assert announced(below, {}) == []
    assert announced(above, below) == [("account", 80)]
    assert announced(further, above) == []


def test_a_new_month_announces_anew() -> None:
    january = status(spend(USD * 85 // 100))
    february = status(spend(USD * 85 // 100, month=2), january)
    assert announced(february, january) == [("account", 80)]


def test_passing_both_thresholds_at_once_announces_the_higher() -> None:
    assert announced(status(spend(USD)), {}) == [("account", 100)]


def test_a_correction_below_the_threshold_does_not_announce_twice() -> None:
    above = status(spend(USD * 80 // 100))
    corrected = status(spend(USD * 70 // 100), above)
    again = status(spend(USD * 80 // 100), corrected)
    assert announced(again, corrected) == []


def test_the_last_fraction_of_a_cent_counts_as_the_cap() -> None:
    assert announced(status(spend(USD - USD // 1000)), {}) == [("account", 100)]
    assert announced(status(spend(USD - USD // 999)), {}) == [("account", 80)]


def test_budgets_and_keys_are_announced_and_hours_are_not() -> None:
    reading = spend(0, hour=USD, budget__search=USD, key__ci=USD * 8 // 10, account=USD)
    shown = status(reading)
    assert [level["level"] for level in shown["levels"]] == ["budget/search", "key/ci"]
    assert announced(shown, {}) == [("budget/search", 100), ("key/ci", 80)]


def test_levels_without_a_cap_are_left_out() -> None:
    reading = spend(0)
    reading.levels.add(level="key/free", settled_nano_usd=5)
    assert "levels" not in status(reading)


def test_a_cap_of_nothing_announces_nothing() -> None:
    assert announced(status(spend(0, cap=0)), {}) == []


def test_a_crossing_says_how_much_of_what() -> None:
    (crossing,) = crossings(status(spend(USD)), {})
    assert crossing == Crossing("account", 100, "1.00", "1.00", "2027-02-01T00:00:00Z")
    assert crossing.is_cap
