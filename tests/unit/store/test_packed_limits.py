from dataclasses import replace

import msgpack
import pytest

from fluxrouter_server.domain.accounts import Budget, KeyLimits
from fluxrouter_server.domain.catalog import Catalog
from fluxrouter_server.domain.ids import AccountUid, KeyName
from fluxrouter_server.domain.limits import (
    AccountRecord,
    CatalogRecord,
    Generation,
    Limits,
    PlanRecord,
    resolve,
)
from fluxrouter_server.domain.plans import RateLimits
from fluxrouter_server.store.packed_limits import LimitsPacker, level_name
from fluxrouter_testing.hold_documents import DOLLAR, free_account, free_plan

GENERATION = Generation(7, "0badcafe")
LAPTOP = KeyLimits(KeyName("laptop"), 5, None, None)
UNLIMITED = RateLimits()
BUDGET = Budget("search", {"team": "search"}, 6)


def limits(rates: RateLimits = UNLIMITED, **plan: object) -> Limits:
    account = replace(free_account(), budgets=(BUDGET,), keys=(LAPTOP,))
    return resolve(
        AccountRecord(AccountUid("a" * 16), account, (), False, GENERATION, 0),
        PlanRecord(free_plan(rate_limits=rates, **plan), GENERATION, 0),
        CatalogRecord(Catalog({}, {}, {}, {}), GENERATION, 0),
    )


def gate(rates: RateLimits) -> dict[str, int]:
    packed: dict[str, int] = msgpack.unpackb(LimitsPacker().pack(limits(rates)).gate)
    return packed


def test_limits_are_packed_once() -> None:
    packer, value = LimitsPacker(), limits()
    packed = packer.pack(value)
    assert packer.pack(value) is packed
    assert packed.levels({}, None) is packed.levels({"other": "label"}, None)


def test_the_memory_of_packed_limits_is_bounded() -> None:
    packer = LimitsPacker(remembered=2)
    kept = [limits() for _ in range(5)]
    assert [packer.pack(value).limits for value in kept] == kept
    assert len(packer._packed) <= 2


def test_a_request_counts_against_the_month_the_hour_its_budgets_and_its_key() -> None:
    packed = LimitsPacker().pack(limits())
    levels = msgpack.unpackb(packed.levels({"team": "search"}, KeyName("laptop")))
    assert levels == ["a", DOLLAR, "H", -1, "b/search", 6, "k/laptop", 5]
    assert msgpack.unpackb(packed.levels({}, KeyName("unlisted"))) == [
        *["a", DOLLAR, "H", -1],
        *["k/unlisted", -1],
    ]


def test_only_levels_with_a_cap_are_among_the_caps() -> None:
    caps = msgpack.unpackb(LimitsPacker().pack(limits()).caps)
    assert caps == {"a": DOLLAR, "b/search": 6, "k/laptop": 5}


@pytest.mark.parametrize(
    "per_second, interval_us", [(1, 1_000_000), (3, 333_334), (1_000_000, 1), (300_000, 4)]
)
def test_an_account_never_goes_faster_than_its_rate(per_second: int, interval_us: int) -> None:
    packed = gate(RateLimits(requests_per_second=per_second, request_burst=2))
    assert packed["interval"] == interval_us
    assert packed["request_burst"] == 2 * interval_us


def test_a_burst_that_is_not_given_is_the_rate() -> None:
    packed = gate(RateLimits(requests_per_second=5, tokens_per_minute=90))
    assert packed["request_burst"] == 5 * 200_000
    assert (packed["token_burst"], packed["token_burst_us"]) == (90, 60_000_000)


def test_what_is_unlimited_is_zero() -> None:
    packed = gate(UNLIMITED)
    names = ("interval", "request_burst", "tokens_per_minute", "token_burst", "most_in_flight")
    assert [packed[name] for name in names] == [0] * 5


def test_thresholds_are_the_first_amounts_that_reach_their_percentage() -> None:
    value = limits(cap_nano_usd=101, alert_percents=(50, 100))
    assert msgpack.unpackb(LimitsPacker().pack(value).alerts) == [50, 51, 100, 101]


@pytest.mark.parametrize(
    "short, name",
    [(b"a", "account"), (b"H", "hour"), (b"b/x/y", "budget/x/y"), (b"k/laptop", "key/laptop")],
)
def test_levels_are_named_in_full_outside_the_store(short: bytes, name: str) -> None:
    assert level_name(short) == name
