"""What more accounts cost: the latency of a decision, and the store's memory for each account."""

import sys
from dataclasses import dataclass

from load import Order
from machine import with_children
from measure import measure
from workload import prepare

from fluxrouter_server.store.suitability import parse_info
from fluxrouter_testing.fleet import Fleet, running_fleet

_ACCOUNTS = (1_000, 10_000, 100_000, 1_000_000)
_CALLED = 50_000  # more than a replica remembers, so that it has to read accounts as well
_SECONDS = 8.0
_CONNECTIONS = 8
_STREAMS = 8  # few, so that a latency is that of a decision and not of a queue


@dataclass(frozen=True)
class Growth:
    """A store with so many accounts.

    Attributes:
        accounts: how many there are.
        p50_ms: median latency of a Route for one of them.
        p99_ms: 99th percentile.
        store_bytes_an_account: the store's memory above that of one without accounts, shared out.
    """

    accounts: int
    p50_ms: float
    p99_ms: float
    store_bytes_an_account: int


def measure_growth(most_accounts: int) -> list[Growth]:
    """Adds accounts to one store, up to so many, and routes for them at each size."""
    found = []
    with running_fleet(servers=1) as fleet:
        server = fleet.servers[0]
        names = prepare(server.session(), accounts=0)
        empty = _used_bytes(fleet)
        for size in (size for size in _ACCOUNTS if size <= most_accounts):
            print(f"{size} accounts …", file=sys.stderr, flush=True)
            names += prepare(server.session(), accounts=size, first=len(names))
            used = _used_bytes(fleet) - empty
            done = measure(
                f"{size} accounts",
                [_order(server.address, names)],
                servers=with_children(server.child.pid),
                store=fleet.valkey.pid,
            )
            found.append(Growth(size, done.p50_ms, done.p99_ms, round(used / size)))
    return found


def _order(target: str, names: list[str]) -> Order:
    return Order(
        kind="route",
        target=target,
        accounts=names[:: max(1, len(names) // _CALLED)],
        connections=_CONNECTIONS,
        streams=_STREAMS,
        seconds=_SECONDS,
    )


def _used_bytes(fleet: Fleet) -> int:
    info = fleet.valkey.command("INFO", "memory")
    if not isinstance(info, bytes):
        raise TypeError(f"INFO answered {info!r}")
    return int(parse_info(info)["used_memory"])
