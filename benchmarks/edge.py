"""Measures what the HTTP edge adds to an answer, hold and settlement included: `make bench-edge`.

The upstream is the simulator of `--examples`, asked directly in the same run for comparison. Caps
are on. The CPU is that of the Envoy worker, which is the edge and nothing else; the simulator runs
in another process. The last line is one JSON object.
"""

import asyncio
import json
import statistics
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from urllib.parse import urlsplit

from machine import cpu_seconds, with_children

from fluxrouter.v1 import control_pb2
from fluxrouter_testing.customers import account, connected, plan
from fluxrouter_testing.fleet import Fleet, running_fleet

_SECONDS = 4.0
_CONNECTIONS = 16
_CHUNKS = 50
_NAME = "edge-bench"


@dataclass(frozen=True)
class Result:
    """One load: requests a second, latencies in ms, CPU of the edge for a request in µs."""

    name: str
    requests_per_second: float
    p50_ms: float
    p99_ms: float
    edge_cpu_us: float


@dataclass(frozen=True)
class Target:
    """Where requests go, and what they are."""

    name: str
    address: str
    request: bytes


async def _client(target: Target, until: float, latencies: list[float]) -> None:
    """Sends one request after another on one connection."""
    host, _, port = target.address.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    while time.monotonic() < until:
        begun = time.perf_counter()
        writer.write(target.request)
        head = (await reader.readuntil(b"\r\n\r\n")).lower()
        if b" 200 " not in head.partition(b"\r\n")[0]:
            raise RuntimeError(f"{target.name}: {head.decode('latin-1')}")
        if b"transfer-encoding: chunked" in head:
            while await _chunk(reader):
                pass
        else:
            length = head.partition(b"content-length: ")[2].partition(b"\r\n")[0]
            await reader.readexactly(int(length))
        latencies.append(time.perf_counter() - begun)
    writer.close()


async def _chunk(reader: asyncio.StreamReader) -> bool:
    """Reads one chunk; returns whether there are more."""
    size = int(await reader.readline(), 16)
    await reader.readexactly(size + 2)
    return size > 0


async def _load(target: Target, connections: int, pids: Sequence[int]) -> Result:
    latencies: list[float] = []
    before, begun = cpu_seconds(*pids), time.monotonic()
    until = begun + _SECONDS
    await asyncio.gather(*(_client(target, until, latencies) for _ in range(connections)))
    seconds, cpu = time.monotonic() - begun, cpu_seconds(*pids) - before
    ordered = sorted(latencies)
    return Result(
        f"{target.name}, {connections} connections",
        round(len(ordered) / seconds, 1),
        round(statistics.median(ordered) * 1e3, 3),
        round(ordered[int(len(ordered) * 0.99)] * 1e3, 3),
        round(cpu / len(ordered) * 1e6, 1),
    )


def _request(address: str, path: str, key: str, *, is_stream: bool) -> bytes:
    prompt = f"Hello [[simulate tokens={_CHUNKS}]]"
    fields = {"model": "llama-3.1-8b", "messages": [{"role": "user", "content": prompt}]}
    body = json.dumps({**fields, "stream": is_stream}).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def _key(grpc: str) -> str:
    """Makes an account with a hard cap and no other limit, and returns a key of it."""
    async with connected(grpc) as connection:
        await connection.apply(plan(_NAME, "9000.00"), account(_NAME, _NAME))
        request = control_pb2.CreateKeyRequest(account=_NAME, name="main")
        return (await connection.control.CreateKey(request)).secret


async def _measure(fleet: Fleet) -> list[Result]:
    server = fleet.servers[0]
    facts = json.loads((fleet.folder / "server-0.json").read_text(encoding="utf-8"))
    simulator = urlsplit(facts["upstream_simulator"]).netloc
    edge = server.address
    workers = [pid for pid in with_children(server.child.pid) if pid != server.child.pid]
    key = await _key(edge)
    targets = [
        Target(
            f"{what} ({kind})", address, _request(address, path, key, is_stream=kind == "streamed")
        )
        for kind in ("whole", "streamed")
        for what, address, path in (
            ("simulator alone", simulator, "/chat/completions"),
            ("edge", edge, "/v1/chat/completions"),
        )
    ]
    return [
        await _load(target, connections, workers)
        for target in targets
        for connections in (1, _CONNECTIONS)
    ]


def main() -> int:
    """Measures and reports."""
    with running_fleet(servers=0) as fleet:
        fleet.start_server("--edge", "--examples", "--transport", "envoy")
        results = asyncio.run(_measure(fleet))
    print(f"{'':42}{'requests/s':>12}{'p50 ms':>10}{'p99 ms':>10}{'edge CPU µs':>14}")
    for item in results:
        cpu = f"{item.edge_cpu_us:>14}" if item.name.startswith("edge") else f"{'':>14}"
        print(
            f"{item.name:42}{item.requests_per_second:>12}{item.p50_ms:>10}{item.p99_ms:>10}{cpu}"
        )
    print("\n" + json.dumps([asdict(item) for item in results]))
    return 0


if __name__ == "__main__":
    sys.exit(main())
