"""What a decision costs, beside a bare echo."""

import statistics
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import echo_server
from load import Order, request
from machine import with_children
from measure import Measurement, measure
from workload import prepare

from fluxrouter.v1 import router_pb2
from fluxrouter_testing.fleet import Fleet, Server, running_fleet

TRANSPORTS = ("grpc", "envoy")
_KINDS = ("route", "route-settle", "batch", "stream")
_BATCH_STREAMS = 4  # two hundred decisions under way
_STREAMS = 64
_CONNECTIONS = 8


@dataclass(frozen=True)
class Size:
    """What to measure and how long: rounds of each kind in turn, and the seconds of each."""

    rounds: int
    seconds: float
    accounts: int
    kinds: tuple[str, ...] = _KINDS


QUICK = Size(rounds=2, seconds=1.2, accounts=100, kinds=("route", "batch"))
FULL = Size(rounds=5, seconds=6.0, accounts=1_000)


@dataclass(frozen=True)
class _Scenario:
    """What is called where, and whose CPU it costs."""

    kind: str
    target: str
    pids: list[int]
    store: int | None


def measure_decisions(size: Size) -> list[Measurement]:
    """Measures echo, Route, and Route with Settle in turn, several rounds; returns the medians."""
    with running_fleet(servers=0) as fleet:
        for transport in TRANSPORTS:
            fleet.start_server("--transport", transport)
        accounts = prepare(fleet.servers[0].session(), accounts=size.accounts)
        with _echo(_answer_bytes(fleet.servers[0], accounts[0])) as (echo_pid, echo_target):
            scenarios = {
                "echo": _Scenario("echo", echo_target, [echo_pid], None),
                **_decisions(fleet, size.kinds),
            }
            rounds: dict[str, list[Measurement]] = {name: [] for name in scenarios}
            for number in range(size.rounds):
                print(f"round {number + 1} of {size.rounds} …", file=sys.stderr, flush=True)
                for name, done in rounds.items():
                    done.append(_measure(name, scenarios[name], accounts, size.seconds))
    return [_median(name, done) for name, done in rounds.items()]


def _decisions(fleet: Fleet, kinds: tuple[str, ...]) -> dict[str, _Scenario]:
    """Returns what is measured on each transport, by name."""
    found = {}
    for transport, server in zip(TRANSPORTS, fleet.servers, strict=True):
        pids = with_children(server.child.pid)
        for kind in kinds:
            found[f"{kind} ({transport})"] = _Scenario(kind, server.address, pids, fleet.valkey.pid)
    return found


def _measure(name: str, scenario: _Scenario, accounts: list[str], seconds: float) -> Measurement:
    order = Order(
        kind=scenario.kind,
        target=scenario.target,
        accounts=accounts,
        connections=_BATCH_STREAMS if scenario.kind in {"batch", "stream"} else _CONNECTIONS,
        streams=_BATCH_STREAMS if scenario.kind in {"batch", "stream"} else _STREAMS,
        seconds=seconds,
        echo_method=echo_server.METHOD,
    )
    return measure(name, [order], servers=scenario.pids, store=scenario.store)


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
