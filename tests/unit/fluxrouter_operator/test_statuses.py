from datetime import UTC, datetime
from typing import Any

from fluxrouter.v1 import cap_pb2
from fluxrouter_operator.decisions.conditions import ACCEPTED, Acknowledgement, Standing
from fluxrouter_operator.decisions.statuses import (
    AccountFacts,
    KeyFact,
    account_status,
    plan_status,
)

NOW = datetime(2027, 1, 15, 8, tzinfo=UTC)
STANDING = Standing(1, ACCEPTED, Acknowledgement(1, b"", 7, "server-uid"))
SPEC = {"apiKeys": [{"name": "ci", "secret": {"name": "ci-key", "rotation": 1}}]}


def facts(*keys: KeyFact, spend: cap_pb2.Spend | None = None) -> AccountFacts:
    return AccountFacts(STANDING, spend, (80, 100), keys or None)


def ready(status: dict[str, Any]) -> tuple[str, str]:
    (found,) = [each for each in status["conditions"] if each["type"] == "Ready"]
    return found["status"], found["reason"]


def test_an_account_without_keys_in_secrets_waits_for_none() -> None:
    status = account_status(facts(), {"apiKeys": [{"name": "by-hand"}]}, {}, NOW)
    assert ready(status) == ("True", "Ready")
    assert status["uid"] == "server-uid"
    assert "apiKeys" not in status


def test_an_account_waits_for_its_keys() -> None:
    assert ready(account_status(facts(), SPEC, {}, NOW)) == ("Unknown", "KeysPending")
    named = KeyFact("ci", "ci-key")
    assert ready(account_status(facts(named), SPEC, {}, NOW)) == ("Unknown", "KeysPending")
    old = KeyFact("ci", "ci-key", rotation=0, created=NOW)
    assert ready(account_status(facts(old), SPEC, {}, NOW)) == ("Unknown", "KeysPending")
    done = KeyFact("ci", "ci-key", rotation=1, created=NOW)
    assert ready(account_status(facts(done), SPEC, {}, NOW)) == ("True", "Ready")


def test_an_account_waits_until_removed_keys_are_revoked() -> None:
    before = {"apiKeys": [{"name": "ci", "secretName": "ci-key", "createTime": "x"}]}
    assert ready(account_status(facts(), {}, before, NOW)) == ("Unknown", "KeysPending")


def test_what_is_not_known_anew_stays() -> None:
    done = KeyFact("ci", "ci-key", rotation=1, created=NOW)
    spend = cap_pb2.Spend(cap_nano_usd=10**9)
    before = account_status(facts(done, spend=spend), SPEC, {}, NOW)
    assert account_status(facts(), SPEC, before, NOW) == before


def test_what_vanished_is_written_as_empty_because_a_status_is_merged() -> None:
    spend = cap_pb2.Spend(cap_nano_usd=10**9)
    assert account_status(facts(spend=spend), {}, {}, NOW)["spend"]["levels"] == []
    before = {"apiKeys": [{"name": "ci", "secretName": "ci-key"}]}
    none = AccountFacts(STANDING, None, (), ())
    assert account_status(none, {}, before, NOW)["apiKeys"] == []


def test_a_plan_without_accounts_says_zero() -> None:
    assert plan_status(STANDING, 0, {}, NOW)["accounts"] == 0
