from dataclasses import replace

import pytest
from hypothesis import given

from fluxrouter.v1 import account_pb2
from fluxrouter_server.api.field_reader import FieldReader
from fluxrouter_server.api.wire_accounts import account_message, read_account
from fluxrouter_server.domain.accounts import (
    Account,
    Budget,
    KeyLimits,
    KeyRecord,
    KeySecret,
    KeyState,
    LimitOverrides,
    NearCap,
    PaymentMethod,
)
from fluxrouter_server.domain.ids import AccountUid, KeyHash, KeyName, ModelId
from fluxrouter_server.domain.limits import AccountRecord, Generation
from fluxrouter_server.domain.plans import RateLimits
from fluxrouter_testing.resources import accounts, sample_account

FULL = replace(
    sample_account("team/search"),
    display_name="Search",
    anchor_day=31,
    time_zone="Europe/Berlin",
    suspended=True,
    near_cap=NearCap.SAME_TIER,
    overrides=LimitOverrides(5, 0, RateLimits(requests_per_second=9)),
    budgets=(Budget("b", {"team": "search"}, 7),),
    keys=(
        KeyLimits(KeyName("ci"), 1, 2_000_000, frozenset({ModelId("m")})),
        KeyLimits(KeyName("open"), None, None, None),
        KeyLimits(KeyName("kept"), None, None, None, KeySecret("s", 2, 0)),
    ),
    labels={"tier": "gold"},
    annotations={"note": "x"},
)


def read(message: account_pb2.Account) -> tuple[Account, dict[str, str]]:
    """The account, and what is wrong by field."""
    reader = FieldReader()
    account = read_account(message, reader)
    return account, {violation.field: violation.description for violation in reader.violations}


def record(account: Account) -> AccountRecord:
    secret = KeyRecord(KeyName("ci"), KeyHash("5" * 64), KeyState.ACTIVE, 0, None)
    return AccountRecord(
        AccountUid("a" * 16), account, (secret,), False, Generation(1, "0123abcd"), update_us=0
    )


def there_and_back(account: Account) -> Account:
    return read(account_message(record(account)))[0]


def spec(**fields: object) -> account_pb2.Account:
    return account_pb2.Account(metadata={"name": "a"}, spec={"plan": "p", **fields})


def test_what_a_spec_leaves_out_gets_its_stated_default() -> None:
    account, wrong = read(spec())
    assert not wrong
    assert (account.anchor_day, account.time_zone) == (1, "UTC")
    assert account.payment_method is PaymentMethod.NONE
    assert account.overrides == LimitOverrides()


def test_an_account_without_a_namespace_lives_in_the_default_one() -> None:
    assert read(spec())[0].name == "default/a"


def test_an_anchor_day_of_zero_is_not_taken_for_an_absent_one() -> None:
    assert read(spec(billing={"anchor_day": 0}))[0].anchor_day == 0


def test_everything_that_an_account_may_say_reads_back_as_it_was_stored() -> None:
    assert there_and_back(FULL) == FULL


@given(accounts())
def test_what_was_read_once_reads_back_the_same_for_ever(account: Account) -> None:
    normal = there_and_back(account)
    assert there_and_back(normal) == normal


def test_a_stored_account_says_its_uid_and_no_hash_of_a_key() -> None:
    message = account_message(record(FULL))
    assert message.status.uid == "a" * 16
    assert b"5" * 64 not in message.SerializeToString()


@pytest.mark.parametrize("amount", ["-5", "1,00", "9007199.254740993", "NaN", "\u0661"])
def test_an_amount_that_is_none_is_named_wherever_it_stands(amount: str) -> None:
    _, wrong = read(
        spec(
            overrides={"cap_usd": amount, "hourly_cap_usd": amount},
            budgets=[{"name": "b", "cap_usd": amount}],
            api_keys=[{"name": "k"}, {"name": "l", "cap_usd": amount}],
        )
    )
    assert set(wrong) == {
        "spec.overrides.capUsd",
        "spec.overrides.hourlyCapUsd",
        "spec.budgets[0].capUsd",
        "spec.apiKeys[1].capUsd",
    }


def test_what_is_required_is_named() -> None:
    _, wrong = read(account_pb2.Account(spec={"budgets": [{}], "api_keys": [{}]}))
    assert set(wrong) == {
        "metadata.name",
        "spec.plan",
        "spec.budgets[0].name",
        "spec.budgets[0].capUsd",
        "spec.apiKeys[0].name",
    }


def test_a_name_with_a_slash_is_not_read_as_a_namespace() -> None:
    _, wrong = read(account_pb2.Account(metadata={"name": "a/b"}, spec={"plan": "p"}))
    assert set(wrong) == {"metadata.name"}


@pytest.mark.parametrize(
    "time", [{"seconds": -1}, {"seconds": 253_402_300_800}, {"nanos": -1}, {"nanos": 10**9}]
)
def test_an_expiry_outside_of_the_calendar_is_named(time: dict[str, int]) -> None:
    _, wrong = read(spec(api_keys=[{"name": "k", "expire_time": time}]))
    assert set(wrong) == {"spec.apiKeys[0].expireTime"}
