"""Many accounts: few calls, and no write that says nothing new (`make bench-operator` measures)."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fluxrouter.v1 import cap_pb2
from fluxrouter_testing.kubernetes_platform import Platform, condition, running_platform
from fluxrouter_testing.kubernetes_samples import (
    Document,
    account_document,
    path_of,
    plan_document,
)

ACCOUNTS = 300
MOST_MIB = 400


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    """Two replicas, and an operator that was not there when the accounts were applied."""
    with running_platform(servers=2) as started:
        started.operator.stop()
        documents = [plan_document("many"), *map(account, range(ACCOUNTS))]
        started.api.put_many([(path_of(document), document) for document in documents])
        started.operator.log.write_text("")
        started.operator.start()
        started.wait(lambda: all(is_shown(item) for item in accounts(started)))
        (started.folder / "start.log").write_text(started.operator.log.read_text())
        yield started


def account(number: int) -> Document:
    return account_document(f"many-{number}", plan="many")


def test_a_start_applies_accounts_in_bulk(platform: Platform) -> None:
    start = platform.folder / "start.log"
    applied = [entry["resources"] for entry in entries(start, "applied", "Account")]
    assert sum(applied) == ACCOUNTS
    assert len(applied) <= 3


def test_a_changed_plan_is_one_call_and_enforced_by_every_replica(platform: Platform) -> None:
    platform.operator.log.write_text("")
    platform.apply(plan_document("many", capUsd="0.50"))
    platform.wait(lambda: caps(platform, "many-7") == [500_000_000, 500_000_000])
    platform.wait_ready("plan", "many")
    assert [entry["resources"] for entry in entries(platform.operator.log, "applied", "Plan")] == [
        1
    ]
    assert entries(platform.operator.log, "applied", "Account") == []


def test_a_restart_writes_nothing_that_was_written(platform: Platform) -> None:
    platform.apply(plan_document("many", capUsd="0.60"))
    platform.wait(lambda: all(shown_cap(item) == "0.60" for item in accounts(platform)))
    before = versions(platform)
    platform.operator.stop()
    platform.operator.log.write_text("")
    platform.operator.start()
    platform.wait(
        lambda: (
            sum(e["resources"] for e in entries(platform.operator.log, "applied", "Account"))
            == ACCOUNTS
        )
    )
    platform.apply(account_document("last", plan="many"))
    platform.wait_ready("account", "last")
    after = versions(platform)
    del after["last"]
    assert after == before


def test_memory_stays_far_below_its_bound(platform: Platform) -> None:
    status = Path(f"/proc/{platform.operator.child.pid}/status").read_text()
    (peak,) = [line for line in status.splitlines() if line.startswith("VmHWM:")]
    assert int(peak.split()[1]) / 1024 < MOST_MIB / 2


def accounts(platform: Platform) -> list[Document]:
    items: list[Document] = platform.api.call("GET", "/apis/fluxrouter.ai/v1alpha1/accounts")[
        "items"
    ]
    return items


def is_shown(item: Document) -> bool:
    status = item.get("status", {})
    return condition(status, "Ready").get("status") == "True" and "spend" in status


def shown_cap(item: Document) -> str:
    cap: str = item["status"]["spend"]["capUsd"]
    return cap


def versions(platform: Platform) -> dict[str, str]:
    meta = [item["metadata"] for item in accounts(platform)]
    return {each["name"]: each["resourceVersion"] for each in meta}


def caps(platform: Platform, name: str) -> list[int]:
    request = cap_pb2.GetSpendRequest(account=name)
    sessions = [server.session() for server in platform.fleet.servers]
    return [session.call(session.caps.GetSpend, request).spend.cap_nano_usd for session in sessions]


def entries(log: Path, event: str, kind: str) -> list[dict[str, Any]]:
    """What an operator logged of a kind."""
    lines = log.read_text().splitlines()
    found = [json.loads(line) for line in lines if line.startswith("{")]
    return [each for each in found if each["event"] == event and each["kind"] == kind]
