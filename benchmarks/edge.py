"""Measures the HTTP edge beside LiteLLM, both with a budget on: `make bench-edge`.

One run, one machine, one upstream (the simulator of `--examples`, which is asked directly, too),
one process each and a Valkey of its own. Hold and settlement are in. Then what each lets through
over a budget: many clients, two replicas. Writes `benchmarks/results/edge-<date>.json` and its
figures into docs/performance.md; the last line is one JSON object.
"""

import asyncio
import json
import sys
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from urllib.parse import urlsplit

from edge_document import update_document
from http_load import Load, Target, chat_request, produced_tokens, run_load, spend_all
from litellm_proxy import KEY, MODEL, VERSION, litellm, prepare
from machine import facts, with_children

from fluxrouter.v1 import control_pb2
from fluxrouter_server.cli.output import print_table
from fluxrouter_server.domain.money import format_usd, parse_usd
from fluxrouter_testing.customers import account, connected, plan
from fluxrouter_testing.fleet import Fleet, running_fleet
from fluxrouter_testing.valkey import ThrowawayValkey, running_valkey

_RESULTS = Path(__file__).with_name("results")
_SECONDS = 3.0
_CONNECTIONS = (1, 16)
_CHUNKS = 50
_PATH = "/v1/chat/completions"
_KINDS = ("whole", "streamed")

_BUDGET_USD = "0.10"
_CLIENTS = 64
_SPENDING_SECONDS = 8.0
#: An answer of $0.01, after a time in which many more are asked for.
_DEAR_TOKENS = 1000
_DEAR_SECONDS = 0.2
_OUTPUT_NANO_USD = 10_000
_NO_CAP_USD = "9000.00"
_RIVAL = f"LiteLLM {VERSION}"
_OURS = "FluxRouter, disk every second"
_OURS_SYNCED = "FluxRouter, disk each decision"


@dataclass(frozen=True)
class Overspend:
    """What was let through of a budget.

    Attributes:
        name: Who let it through.
        replicas: Processes that shared the budget.
        clients: That asked at once.
        spent_usd: What the upstream produced, at the budget's rates, its output alone.
        spent_nano_usd: The same as a number.
    """

    name: str
    replicas: int
    clients: int
    spent_usd: str
    spent_nano_usd: int


async def _key(grpc: str, name: str, cap_usd: str) -> str:
    """Makes an account with a hard cap and no other limit, and returns a key of it."""
    async with connected(grpc) as connection:
        await connection.apply(plan(name, cap_usd), account(name, name))
        request = control_pb2.CreateKeyRequest(account=name, name="main")
        return (await connection.control.CreateKey(request)).secret


def _simulator(fleet: Fleet, number: int = 0) -> str:
    facts_of = json.loads((fleet.folder / f"server-{number}.json").read_text(encoding="utf-8"))
    return str(urlsplit(facts_of["upstream_simulator"]).netloc)


@dataclass(frozen=True)
class Service:
    """Something that answers chat completions; `pids` are the processes whose CPU counts."""

    name: str
    address: str
    path: str
    key: str
    pids: Sequence[int] = ()

    def target(self, kind: str) -> Target:
        """Returns the request of a load."""
        prompt = f"Hello [[simulate tokens={_CHUNKS}]]"
        return Target(
            f"{self.name} ({kind})",
            self.address,
            chat_request(
                self.address,
                self.path,
                self.key,
                model=MODEL,
                prompt=prompt,
                tokens=100,
                is_stream=kind == "streamed",
            ),
        )


async def _loads(service: Service) -> list[Load]:
    return [
        await run_load(
            service.target(kind), connections=connections, seconds=_SECONDS, pids=service.pids
        )
        for kind in _KINDS
        for connections in _CONNECTIONS
    ]


async def _measure(fleet: Fleet) -> list[Load]:
    server, simulator = fleet.servers[0], _simulator(fleet)
    workers = [pid for pid in with_children(server.child.pid) if pid != server.child.pid]
    key = await _key(server.address, "edge-bench", _NO_CAP_USD)
    loads = await _loads(Service("simulator", simulator, "/chat/completions", ""))
    # LiteLLM's Valkey does not wait for its disk; ours does by default, with every decision.
    for name, policy in ((_OURS, "everysec"), (_OURS_SYNCED, "always")):
        if not isinstance(fleet.store, ThrowawayValkey):
            raise TypeError("the fleet of this benchmark has one store")
        fleet.store.command("CONFIG", "SET", "appendfsync", policy)
        loads += await _loads(Service(name, server.address, _PATH, key, workers))
    with running_valkey(with_tcp=True) as store:
        upstream = f"http://{simulator}"
        async with litellm(store, upstream, fleet.folder, budget_usd=float(_NO_CAP_USD)) as proxy:
            pids = with_children(proxy.pid)
            loads += await _loads(Service(_RIVAL, proxy.address, _PATH, KEY, pids))
    return loads


async def _spend(fleet: Fleet, name: str, addresses: Sequence[str], key: str) -> Overspend:
    """Lets clients ask until the budget is long used up; the upstreams tell what they produced."""
    mark = f"{name.split(maxsplit=1)[0]}-{len(addresses)}"
    prompt = f"[[simulate tokens={_DEAR_TOKENS} delay={_DEAR_SECONDS} count={mark}]]"
    targets = [
        Target(
            name,
            address,
            chat_request(
                address,
                _PATH,
                key,
                model=MODEL,
                prompt=prompt,
                tokens=_DEAR_TOKENS,
                is_stream=False,
            ),
        )
        for address in addresses
    ]
    await spend_all(targets, clients=_CLIENTS, seconds=_SPENDING_SECONDS)
    tokens = [await produced_tokens(_simulator(fleet, n), mark) for n in range(len(fleet.servers))]
    spent = sum(tokens) * _OUTPUT_NANO_USD
    return Overspend(name, len(addresses), _CLIENTS, format_usd(spent), spent)


async def _overspends(fleet: Fleet) -> list[Overspend]:
    found = []
    for replicas in (1, 2):
        addresses = [server.address for server in fleet.servers[:replicas]]
        key = await _key(addresses[0], f"spend-{replicas}", _BUDGET_USD)
        found.append(await _spend(fleet, "FluxRouter", addresses, key))
    upstream, budget = f"http://{_simulator(fleet)}", float(_BUDGET_USD)
    with running_valkey(with_tcp=True) as store:
        async with litellm(store, upstream, fleet.folder, budget_usd=budget) as alone:
            found.append(await _spend(fleet, _RIVAL, [alone.address], KEY))
    with running_valkey(with_tcp=True) as store:
        async with (
            litellm(store, upstream, fleet.folder, budget_usd=budget) as one,
            litellm(store, upstream, fleet.folder, budget_usd=budget) as two,
        ):
            found.append(await _spend(fleet, _RIVAL, [one.address, two.address], KEY))
    return found


def _print(loads: Sequence[Load], overspends: Sequence[Overspend]) -> None:
    print_table(
        ("WHAT", "CONNECTIONS", "REQUESTS/S", "P50 MS", "P99 MS", "CPU µS"),
        [
            (
                load.name,
                str(load.connections),
                f"{load.requests_per_second:.0f}",
                f"{load.p50_ms:.2f}",
                f"{load.p99_ms:.2f}",
                f"{load.cpu_us:.0f}" if load.cpu_us else "-",
            )
            for load in loads
        ],
    )
    print()
    print_table(
        ("OF A BUDGET OF", "REPLICAS", "CLIENTS", f"SPENT OF ${_BUDGET_USD}"),
        [
            (item.name, str(item.replicas), str(item.clients), f"${item.spent_usd}")
            for item in overspends
        ],
    )


def _summary(loads: Sequence[Load], overspends: Sequence[Overspend]) -> dict[str, float]:
    by = {(load.name, load.connections): load for load in loads}
    alone, many_of_rival = by["simulator (whole)", 1], by[f"{_RIVAL} (whole)", 16]
    added_by_rival = by[f"{_RIVAL} (whole)", 1].p50_ms - alone.p50_ms
    summary: dict[str, float] = {"rival_cpu_us": many_of_rival.cpu_us}
    for prefix, name in (("edge", _OURS), ("edge_synced", _OURS_SYNCED)):
        one, many = by[f"{name} (whole)", 1], by[f"{name} (whole)", 16]
        added = one.p50_ms - alone.p50_ms
        chunk_us = (by[f"{name} (streamed)", 16].cpu_us - many.cpu_us) / _CHUNKS
        ratio = many.requests_per_second / many_of_rival.requests_per_second
        summary |= {
            f"{prefix}_requests_per_second": many.requests_per_second,
            f"{prefix}_throughput_ratio": round(ratio, 1),
            f"{prefix}_added_p50_ms": round(added, 3),
            f"{prefix}_added_p99_ms": round(one.p99_ms - alone.p99_ms, 3),
            f"{prefix}_added_p50_ratio": round(added_by_rival / added, 1),
            f"{prefix}_cpu_us": many.cpu_us,
            f"{prefix}_chunk_cpu_us": round(chunk_us, 1),
        }
    budget = parse_usd(_BUDGET_USD)
    for prefix, name in (("edge", "FluxRouter"), ("rival", _RIVAL)):
        spent = max(item.spent_nano_usd for item in overspends if item.name == name)
        summary[f"{prefix}_overspend_nano_usd"] = max(0, spent - budget)
    return summary


def main() -> int:
    """Measures and reports; 1 where money was overspent."""
    prepare()
    with running_fleet(servers=0) as fleet:
        fleet.start_server("--edge", "--examples", "--transport", "envoy")
        loads = asyncio.run(_measure(fleet))
        fleet.start_server("--edge", "--examples", "--transport", "envoy")
        overspends = asyncio.run(_overspends(fleet))
    _print(loads, overspends)
    summary = _summary(loads, overspends)
    now = datetime.now(UTC)
    result = {
        "time": now.isoformat(timespec="seconds"),
        "machine": facts(),
        "litellm": VERSION,
        "chunks": _CHUNKS,
        "budget_usd": _BUDGET_USD,
        "loads": [asdict(load) for load in loads],
        "overspends": [asdict(item) for item in overspends],
        "summary": summary,
    }
    path = _RESULTS / f"edge-{now:%Y-%m-%d}.json"
    path.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    update_document(path)
    print(f"\nwritten: {path}, and its figures into docs/performance.md\n\n{json.dumps(summary)}")
    return 0 if summary["edge_overspend_nano_usd"] == 0 else 1


if __name__ == "__main__":
    sys.exit(main())
