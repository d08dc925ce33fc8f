from datetime import UTC, datetime, timedelta
from typing import Any

from fluxrouter_operator.decisions.announcements import (
    Announcement,
    Level,
    alarm,
    event,
    key_changed,
    recovery,
    threshold,
)
from fluxrouter_operator.decisions.reasons import Reason
from fluxrouter_operator.decisions.spend_status import Crossing
from fluxrouter_testing.observed_samples import observed_account, observed_plan

NOW = datetime(2027, 1, 15, 8, tzinfo=UTC)
SETTLE = timedelta(seconds=5)


def status(reason: str, *, ready: str = "False", seconds_ago: int = 0) -> dict[str, Any]:
    since = NOW - timedelta(seconds=seconds_ago)
    condition = {
        "type": "Ready",
        "status": ready,
        "reason": reason,
        "message": "because",
        "observedGeneration": 2,
        "lastTransitionTime": f"{since:%Y-%m-%dT%H:%M:%SZ}",
    }
    return {"conditions": [condition]}


def test_trouble_is_an_alarm_once_it_has_lasted() -> None:
    fresh, old = alarm(status("Refused"), NOW), alarm(status("Refused", seconds_ago=5), NOW)
    assert fresh is not None
    assert old is not None
    assert not fresh.lasts(NOW, SETTLE)
    assert old.lasts(NOW, SETTLE)
    assert (old.told.level, old.told.reason) == (Level.WARNING, Reason.REFUSED)


def test_what_waits_for_the_server_is_no_alarm() -> None:
    assert alarm(status("ServerUnreachable", ready="Unknown", seconds_ago=99), NOW) is None
    assert alarm(status("Pending", ready="Unknown", seconds_ago=99), NOW) is None
    assert alarm({}, NOW) is None


def test_recovery_from_what_people_heard_of_is_news() -> None:
    again = recovery(status("Refused", seconds_ago=60), status("Ready", ready="True"), NOW, SETTLE)
    assert again is not None
    assert again.level is Level.NORMAL


def test_recovery_from_what_nobody_heard_of_is_none() -> None:
    ready = status("Ready", ready="True")
    assert recovery(status("Refused"), ready, NOW, SETTLE) is None
    assert recovery({}, ready, NOW, SETTLE) is None
    assert recovery(ready, ready, NOW, SETTLE) is None


def test_the_same_occasion_has_the_same_name_and_another_one_another() -> None:
    account = observed_account()
    first = key_changed(Reason.KEY_CREATED, "ci", "s", "one")
    second = key_changed(Reason.KEY_CREATED, "ci", "s", "two")
    later = NOW + timedelta(hours=1)
    assert name(event(account, first, NOW)) == name(event(account, first, later))
    assert name(event(account, first, NOW)) != name(event(account, second, NOW))


def test_an_event_lies_where_kubectl_looks_for_it() -> None:
    told = Announcement(Level.WARNING, Reason.REFUSED, "x" * 2000, "o")
    about_account = event(observed_account(namespace="team"), told, NOW)
    about_plan = event(observed_plan(), told, NOW)
    assert about_account["metadata"]["namespace"] == "team"
    assert about_plan["metadata"]["namespace"] == "default"
    assert "namespace" not in about_plan["involvedObject"]
    assert len(about_plan["message"]) == 1024


def test_a_reached_cap_says_until_when() -> None:
    told = threshold(Crossing("account", 100, "1.00", "1.00", "2027-02-01T00:00:00Z"))
    assert told.reason is Reason.CAP_REACHED
    assert "denied until 2027-02-01T00:00:00Z" in told.message


def test_a_threshold_names_its_level() -> None:
    told = threshold(Crossing("budget/search", 80, "4.00", "5.00", "2027-02-01T00:00:00Z"))
    assert told.reason is Reason.CAP_THRESHOLD
    assert "The level budget/search has spent 80% of its cap (4.00 of 5.00 USD)" in told.message


def name(found: dict[str, Any]) -> str:
    return str(found["metadata"]["name"])
