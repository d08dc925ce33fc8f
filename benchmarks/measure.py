"""Runs a load against processes and reads what it cost them."""

import json
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from load import Order, Outcome
from machine import cpu_seconds

_LOAD = Path(__file__).with_name("load.py")


@dataclass(frozen=True)
class Measurement:
    """One load and its cost.

    Attributes:
        name: what was measured.
        calls_per_second: of calls that succeeded; a Route with its Settle is one.
        p50_ms: median latency.
        p99_ms: 99th percentile of the latency.
        server_cpu_us: server CPU for a call, in µs.
        store_cpu_us: store CPU for a call, in µs; 0 where there is no store.
        calls: how many succeeded.
        billed_nano_usd: sum of the receipts that settlements were answered with.
    """

    name: str
    calls_per_second: float
    p50_ms: float
    p99_ms: float
    server_cpu_us: float
    store_cpu_us: float
    calls: int
    billed_nano_usd: int = 0


def measure(
    name: str, orders: list[Order], *, servers: list[int], store: int | None
) -> Measurement:
    """Carries out orders side by side, one process each, and accounts for the CPU of others.

    Args:
        name: what is measured.
        orders: the loads; their calls are added up.
        servers: process ids of the servers.
        store: process id of the store, None where there is none.
    """
    stores = [store] if store is not None else []
    before, store_before = cpu_seconds(*servers), cpu_seconds(*stores)
    outcomes = _carry_out(orders)
    server_cpu = cpu_seconds(*servers) - before
    store_cpu = cpu_seconds(*stores) - store_before
    calls = sum(outcome.calls for outcome in outcomes)
    return Measurement(
        name=name,
        calls_per_second=round(sum(item.calls / item.seconds for item in outcomes), 1),
        p50_ms=max(item.p50_ms for item in outcomes),
        p99_ms=max(item.p99_ms for item in outcomes),
        server_cpu_us=round(server_cpu / max(1, calls) * 1e6, 1),
        store_cpu_us=round(store_cpu / max(1, calls) * 1e6, 1),
        calls=calls,
        billed_nano_usd=sum(outcome.billed_nano_usd for outcome in outcomes),
    )


def _carry_out(orders: list[Order]) -> list[Outcome]:
    """Starts all load generators, then waits for all.

    Raises:
        RuntimeError: one failed; its standard error has said why.
    """
    with ThreadPoolExecutor(len(orders)) as pool:
        return list(pool.map(_carry_out_one, orders))


def _carry_out_one(order: Order) -> Outcome:
    done = subprocess.run(
        [sys.executable, str(_LOAD)],
        input=json.dumps(asdict(order)),
        stdout=subprocess.PIPE,
        text=True,
        check=False,
    )
    if done.returncode != 0:
        raise RuntimeError(f"the load generator for {order.kind} failed with {done.returncode}")
    return Outcome(**json.loads(done.stdout))
