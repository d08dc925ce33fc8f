"""What is promised about money, measured: replicas that race for one dollar, and a changed plan."""

import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass

from load import Order
from machine import with_children
from measure import measure
from workload import overspend_nano_usd, prepare, prepare_capped, settled_nano_usd

from fluxrouter.v1 import router_pb2
from fluxrouter_server.cli.session import CallRefused
from fluxrouter_testing.fleet import Fleet, Server, running_fleet

_CAPPED = "bench-capped"
_SPENDING_SECONDS = 3.0  # a dollar of small requests is gone in less
_STREAMS = 64
_CONNECTIONS = 8
_CHANGES = 20


@dataclass(frozen=True)
class Race:
    """Replicas that spent one dollar at the same time.

    Attributes:
        replicas: how many servers shared the store.
        overspend_nano_usd: settled and held above the cap.
        unaccounted_nano_usd: settled without a receipt (lost) or receipts without it (double).
    """

    replicas: int
    overspend_nano_usd: int
    unaccounted_nano_usd: int


@dataclass(frozen=True)
class PlanChange:
    """How long it takes to change the plan of many accounts.

    Attributes:
        accounts: accounts on the plan.
        replicas: servers that must enforce it.
        p50_ms: from sending the change to the last replica's first denial under it, median.
        worst_ms: the same, the longest of all changes.
    """

    accounts: int
    replicas: int
    p50_ms: float
    worst_ms: float


def measure_races(replicas: Sequence[int]) -> list[Race]:
    """Lets so many replicas spend one dollar at once, for each number."""
    races = []
    for number in replicas:
        print(f"{number} replicas spend one dollar …", file=sys.stderr, flush=True)
        with running_fleet(servers=number) as fleet:
            prepare(fleet.servers[0].session(), accounts=1)
            prepare_capped(fleet.servers[0].session(), _CAPPED, "1.00")
            orders = [_spending_order(server) for server in fleet.servers]
            done = measure("race", orders, servers=_pids(fleet), store=fleet.valkey.pid)
            session = fleet.servers[-1].session()
            races.append(
                Race(
                    replicas=number,
                    overspend_nano_usd=overspend_nano_usd(session, _CAPPED),
                    unaccounted_nano_usd=settled_nano_usd(session, _CAPPED) - done.billed_nano_usd,
                )
            )
    return races


def measure_plan_change(*, accounts: int, replicas: int) -> PlanChange:
    """Toggles the cap of a plan with many accounts; each change is asked for on every replica."""
    print(f"a plan of {accounts} accounts changes …", file=sys.stderr, flush=True)
    with running_fleet(servers=replicas) as fleet:
        names = prepare(fleet.servers[0].session(), accounts=accounts, plan="bench-change")
        took = []
        for change in range(_CHANGES):
            is_closed = change % 2 == 0
            started = time.perf_counter()
            prepare_capped(
                fleet.servers[0].session(),
                None,
                "0.000000001" if is_closed else "9000000",
                plan="bench-change",
            )
            answers = [_is_denied(server, names[-1]) for server in fleet.servers]
            took.append((time.perf_counter() - started) * 1e3)
            if answers != [is_closed] * replicas:
                raise RuntimeError(f"a change was acknowledged and not enforced: {answers}")
    return PlanChange(accounts, replicas, round(statistics.median(took), 1), round(max(took), 1))


def _is_denied(server: Server, account: str) -> bool:
    session = server.session()
    request = router_pb2.RouteRequest(
        account=account, model="flux-fast", input_tokens=10, max_output_tokens=10
    )
    try:
        session.call(session.router.Route, request)
    except CallRefused as refusal:
        return refusal.reason == "CAP_REACHED"
    return False


def _spending_order(server: Server) -> Order:
    return Order(
        kind="route-settle",
        target=server.address,
        accounts=[_CAPPED],
        connections=_CONNECTIONS,
        streams=_STREAMS,
        seconds=_SPENDING_SECONDS,
    )


def _pids(fleet: Fleet) -> list[int]:
    return [pid for server in fleet.servers for pid in with_children(server.child.pid)]
