"""Measures the operator with many accounts: starts, restarts, a plan change, memory.

Everything is real: API server, etcd, two FluxRouter servers on one store, the operator with its
usual pace. `make bench-operator` takes some minutes with 10,000 accounts, and writes
`benchmarks/results/operator-<date>.json`.
"""

import argparse
import json
import math
import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from decimal import Decimal
from pathlib import Path

from machine import cpu_seconds, facts

from fluxrouter.v1 import cap_pb2
from fluxrouter_server.cli.session import Session
from fluxrouter_testing.kubernetes_platform import Platform, condition, running_platform
from fluxrouter_testing.kubernetes_samples import (
    Document,
    account_document,
    path_of,
    plan_document,
)

_RESULTS = Path(__file__).with_name("results")
_PLANS = 50
_CHANGES = 100
_PAGE = 1000
_WAIT_SECONDS = 1800.0
_POLL_SECONDS = 0.5
_USUAL_PACE = (
    *("--spend-seconds", "15", "--secret-seconds", "60", "--refused-seconds", "60"),
    *("--settle-seconds", "5", "--grace-seconds", "10", "--status-writes-per-second", "50"),
)


@dataclass(frozen=True)
class Start:
    """A start of the operator with all accounts there.

    Attributes:
        enforced_seconds: until the server had acknowledged every account.
        shown_seconds: until every status said so.
        cpu_seconds: what the operator used until then.
        peak_mib: its memory, at most.
    """

    enforced_seconds: float
    shown_seconds: float
    cpu_seconds: float
    peak_mib: float


@dataclass(frozen=True)
class Change:
    """From the start of `kubectl apply` of a plan to its enforcement everywhere, in seconds.

    Attributes:
        kubectl: how long kubectl itself took, at the median: its start and its request.
        p50: at the median.
        p99: of 100 changes the second slowest.
        largest: the slowest.
    """

    kubectl: float

    p50: float
    p99: float
    largest: float


def main() -> None:
    """Measures and reports."""
    parser = argparse.ArgumentParser(description="Measure the operator with many accounts.")
    parser.add_argument("--accounts", type=int, default=10_000)
    accounts: int = parser.parse_args().accounts
    with running_platform(servers=2, options=_USUAL_PACE) as platform:
        platform.operator.stop()
        _say(f"creating {_PLANS} plans and {accounts} accounts in the cluster")
        _create(platform, accounts)
        first = _start(platform, accounts, "first start")
        platform.operator.stop()
        again = _start(platform, accounts, "restart")
        change = _change_plans(platform)
        idle = _idle_cores(platform)
        peak = _memory_mib(platform.operator.child.pid, "VmHWM")
    result = {
        "accounts": accounts,
        "plans": _PLANS,
        "first_start": asdict(first),
        "restart": asdict(again),
        "plan_change": asdict(change),
        "idle_cores": idle,
        "peak_mib": peak,
        "machine": facts(),
    }
    path = _RESULTS / f"operator-{datetime.now(UTC):%Y-%m-%d}.json"
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    print(json.dumps(result))


def _create(platform: Platform, accounts: int) -> None:
    documents = [plan_document(f"plan-{number}") for number in range(_PLANS)]
    documents += [
        account_document(f"account-{number}", plan=f"plan-{number % _PLANS}")
        for number in range(accounts)
    ]
    with ThreadPoolExecutor(4) as pool:
        list(pool.map(platform.api.put_many, _shares(documents, 4)))


def _shares(documents: Sequence[Document], count: int) -> Iterator[list[tuple[str, Document]]]:
    for begin in range(count):
        yield [(path_of(document), document) for document in documents[begin::count]]


def _start(platform: Platform, accounts: int, what: str) -> Start:
    begun = time.monotonic()
    platform.operator.start()
    _wait(lambda: _applied(platform.operator.log, begun_lines=0) >= accounts)
    enforced = time.monotonic() - begun
    _say(f"{what}: enforced after {enforced:.1f} s")
    _wait(lambda: _shown(platform) >= accounts)
    shown = time.monotonic() - begun
    pid = platform.operator.child.pid
    start = Start(enforced, shown, cpu_seconds(pid), _memory_mib(pid, "VmHWM"))
    _say(f"{what}: shown after {shown:.1f} s, {start.peak_mib:.0f} MiB")
    platform.operator.log.write_text("")
    return start


def _applied(log: Path, *, begun_lines: int) -> int:
    """Counts the accounts that the operator's log says were applied since it was emptied."""
    total = 0
    for line in log.read_text(encoding="utf-8").splitlines()[begun_lines:]:
        entry = json.loads(line) if line.startswith("{") else {}
        if entry.get("event") == "applied" and entry.get("kind") == "Account":
            total += int(entry["resources"])
    return total


def _shown(platform: Platform) -> int:
    """Counts the accounts whose status says that they are ready."""
    ready: int = 0
    token = ""
    while True:
        query = f"limit={_PAGE}" + (f"&continue={token}" if token else "")
        page = platform.api.call("GET", f"/apis/fluxrouter.ai/v1alpha1/accounts?{query}")
        for item in page["items"]:
            status = item.get("status", {})
            is_ready = condition(status, "Ready").get("status") == "True"
            ready += is_ready and "spend" in status
        token = page["metadata"].get("continue", "")
        if not token:
            return ready


def _change_plans(platform: Platform) -> Change:
    """Changes plans one by one and times each until both replicas enforce it."""
    sessions = [server.session() for server in platform.fleet.servers]
    seconds, kubectl = [], []
    for number in range(_CHANGES):
        plan = plan_document(f"plan-{number % _PLANS}", capUsd=f"0.{100 + number}")
        account = f"account-{number % _PLANS}"
        cap = (100 + number) * 1_000_000
        begun = time.monotonic()
        platform.apply(plan)
        kubectl.append(time.monotonic() - begun)
        while not all(_cap(session, account) == cap for session in sessions):
            if time.monotonic() - begun > _WAIT_SECONDS:
                raise SystemExit(f"bench: the plan of {account} was not enforced")
        seconds.append(time.monotonic() - begun)
    ordered = sorted(seconds)
    p99 = ordered[math.ceil(len(ordered) * 0.99) - 1]
    change = Change(statistics.median(kubectl), statistics.median(ordered), p99, ordered[-1])
    _say(f"a plan change: p50 {change.p50:.3f} s, p99 {change.p99:.3f} s")
    return change


def _cap(session: Session, account: str) -> int:
    request = cap_pb2.GetSpendRequest(account=account)
    spend: cap_pb2.Spend = session.call(session.caps.GetSpend, request).spend
    return spend.cap_nano_usd


def _idle_cores(platform: Platform) -> float:
    """What the operator uses while nothing happens but its own readings."""
    _wait(lambda: _is_written(platform))
    seconds = 60.0
    before = cpu_seconds(platform.operator.child.pid)
    time.sleep(seconds)
    return (cpu_seconds(platform.operator.child.pid) - before) / seconds


def _is_written(platform: Platform) -> bool:
    """Whether the statuses show every plan's cap: what changed last is written."""
    caps = {
        plan["metadata"]["name"]: plan["spec"]["capUsd"]
        for plan in platform.api.call("GET", "/apis/fluxrouter.ai/v1alpha1/plans")["items"]
    }
    items = platform.api.call("GET", "/apis/fluxrouter.ai/v1alpha1/accounts")["items"]
    shown = (Decimal(item["status"]["spend"]["capUsd"]) for item in items)
    wanted = (Decimal(caps[item["spec"]["plan"]]) for item in items)
    return all(a == b for a, b in zip(shown, wanted, strict=True))


def _memory_mib(pid: int, field: str) -> float:
    for line in Path(f"/proc/{pid}/status").read_text(encoding="ascii").splitlines():
        if line.startswith(f"{field}:"):
            return int(line.split()[1]) / 1024
    raise SystemExit(f"bench: no {field} of process {pid}")


def _wait(predicate: Callable[[], bool]) -> None:
    give_up_at = time.monotonic() + _WAIT_SECONDS
    while not predicate():
        if time.monotonic() > give_up_at:
            raise SystemExit("bench: it took too long")
        time.sleep(_POLL_SECONDS)


def _say(line: str) -> None:
    print(f"bench: {line}", flush=True)


if __name__ == "__main__":
    main()
