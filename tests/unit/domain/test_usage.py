from hypothesis import given
from hypothesis import strategies as st

from fluxrouter_server.domain.ids import KeyName, LaneId, ModelId
from fluxrouter_server.domain.ledger import Funds
from fluxrouter_server.domain.periods import Period
from fluxrouter_server.domain.pricing import Usage
from fluxrouter_server.domain.usage import (
    NOTHING_USED,
    GroupBy,
    LedgerUsage,
    UsageMoment,
    UsageSlice,
    UsageSums,
    groups,
    projected_nano_usd,
    total,
)

DAY_US = 24 * 3600 * 1_000_000
MONTH = Period(0, 30 * DAY_US)


def sums(cost: int, requests: int = 1) -> UsageSums:
    return UsageSums(requests, Usage(10, 0, 0, 5), Funds(cost_nano_usd=cost, billed_nano_usd=cost))


def part(model: str, cost: int, **labels: str) -> UsageSlice:
    return UsageSlice(ModelId(model), LaneId("express"), KeyName("main"), labels, sums(cost))


def used(*slices: UsageSlice, moments: tuple[UsageMoment, ...] = ()) -> LedgerUsage:
    return LedgerUsage(slices, moments)


def values(found: LedgerUsage, by: GroupBy, zone: str = "UTC") -> list[tuple[str, int]]:
    return [(group.value, group.sums.funds.cost_nano_usd) for group in groups(found, by, zone=zone)]


def test_groups_add_up_and_the_dearest_comes_first() -> None:
    found = used(part("a", 1), part("b", 5), part("a", 2))
    assert values(found, GroupBy.MODEL) == [("b", 5), ("a", 3)]
    assert values(found, GroupBy.LANE) == [("express", 8)]
    assert total(found) == sums(1) + sums(5) + sums(2)


def test_a_request_with_several_labels_counts_in_each_and_one_without_in_none() -> None:
    found = used(part("a", 1, team="search", env="prod"), part("a", 2, env="prod"), part("a", 4))
    assert values(found, GroupBy.LABEL) == [("env=prod", 3), ("team=search", 1)]


def test_days_are_those_of_the_accounts_time_zone_in_their_order() -> None:
    just_before_midnight_utc = DAY_US - 15 * 60 * 1_000_000
    found = used(
        moments=(
            UsageMoment(DAY_US, sums(9)),
            UsageMoment(just_before_midnight_utc, sums(1)),
        )
    )
    assert values(found, GroupBy.DAY) == [("1970-01-01", 1), ("1970-01-02", 9)]
    assert values(found, GroupBy.DAY, "Asia/Kolkata") == [("1970-01-02", 10)]


def test_nothing_used_is_zero() -> None:
    assert total(used()) == NOTHING_USED
    assert values(used(), GroupBy.MODEL) == []


def test_a_projection_goes_on_at_the_pace_so_far() -> None:
    assert projected_nano_usd(100, MONTH, 10 * DAY_US, 10**9) == 300


def test_a_projection_stops_at_the_cap_but_not_below_what_was_billed() -> None:
    assert projected_nano_usd(100, MONTH, 10 * DAY_US, 250) == 250
    assert projected_nano_usd(100, MONTH, 10 * DAY_US, 50) == 100


@given(billed=st.integers(0, 2**53), now=st.integers(-DAY_US, 60 * DAY_US))
def test_a_projection_is_never_below_what_was_billed(billed: int, now: int) -> None:
    assert projected_nano_usd(billed, MONTH, now, 2**53) >= billed
