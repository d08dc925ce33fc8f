"""What is measured: decisions beside a bare echo, and replicas that race for one dollar."""

import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import echo_server
from load import Order, request
from measure import Measurement, measure
from workload import overspend_nano_usd, prepare, prepare_capped

from fluxrouter.v1 import router_pb2
from fluxrouter_testing.fleet import Fleet, Server, running_fleet

_STREAMS = 64
_CONNECTIONS = 8
_CAPPED = "bench-capped"
_CAP_USD = "1.00"
_SPENDING_SECONDS = 3.0  # a dollar of small requests is gone in less


@dataclass(frozen=True)
class Size:
    """How long to measure: rounds of each scenario in turn, and the seconds of each."""

    rounds: int
    seconds: float
    accounts: int
    replicas: tuple[int, ...]


QUICK = Size(rounds=2, seconds=3.5, accounts=100, replicas=(2,))
FULL = Size(rounds=5, seconds=8.0, accounts=1_000, replicas=(1, 2, 4, 8))


def measure_decisions(size: Size) -> list[Measurement]:
    """Measures echo, Route, and Route with Settle in turn, several rounds; returns the medians."""
    with running_fleet(servers=1) as fleet:
        server = fleet.servers[0]
        accounts = prepare(server.session(), accounts=size.accounts)
        with _echo(_answer_bytes(server, accounts[0])) as (echo_pid, echo_target):
            rounds: dict[str, list[Measurement]] = {"echo": [], "route": [], "route-settle": []}
            for number in range(size.rounds):
                print(f"round {number + 1} of {size.rounds} …", file=sys.stderr, flush=True)
                for kind, done in rounds.items():
                    bare = kind == "echo"
                    order = Order(
                        kind=kind,
                        target=echo_target if bare else server.address,
                        accounts=accounts,
                        connections=_CONNECTIONS,
                        streams=_STREAMS,
                        seconds=size.seconds,
                        echo_method=echo_server.METHOD,
                    )
                    done.append(
                        measure(
                            kind,
                            [order],
                            servers=[echo_pid if bare else server.child.pid],
                            store=None if bare else fleet.store.pid,
                        )
                    )
    return [_median(kind, done) for kind, done in rounds.items()]


def measure_overspend(size: Size) -> dict[str, int]:
    """Lets several replicas spend one dollar at once; returns the overspend for each number."""
    found = {}
    for replicas in size.replicas:
        print(f"{replicas} replicas spend one dollar …", file=sys.stderr, flush=True)
        with running_fleet(servers=replicas) as fleet:
            prepare(fleet.servers[0].session(), accounts=1)
            prepare_capped(fleet.servers[0].session(), _CAPPED, _CAP_USD)
            orders = [_spending_order(server) for server in fleet.servers]
            measure("capped", orders, servers=_pids(fleet), store=fleet.store.pid)
            found[str(replicas)] = overspend_nano_usd(fleet.servers[-1].session(), _CAPPED)
    return found


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
    return [server.child.pid for server in fleet.servers]


def _answer_bytes(server: Server, account: str) -> int:
    """Returns the size of a real answer, so that the echo carries the same."""
    session = server.session()
    answer: router_pb2.RouteResponse = session.call(session.router.Route, request(account, -1))
    return answer.ByteSize()


@contextmanager
def _echo(answer_bytes: int) -> Iterator[tuple[int, str]]:
    """Runs the bare echo; yields its process id and address."""
    process = subprocess.Popen(
        [sys.executable, str(Path(echo_server.__file__)), str(answer_bytes)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        port = process.stdout.readline().strip() if process.stdout is not None else ""
        yield process.pid, f"127.0.0.1:{port}"
    finally:
        process.terminate()
        process.wait()


def _median(name: str, rounds: list[Measurement]) -> Measurement:
    def middle(field: str) -> float:
        values: list[float] = [getattr(item, field) for item in rounds]
        return round(statistics.median(values), 3)

    return Measurement(
        name=name,
        calls_per_second=middle("calls_per_second"),
        p50_ms=middle("p50_ms"),
        p99_ms=middle("p99_ms"),
        server_cpu_us=middle("server_cpu_us"),
        store_cpu_us=middle("store_cpu_us"),
        calls=sum(item.calls for item in rounds),
    )
