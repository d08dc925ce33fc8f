"""Sends HTTP requests as fast as they are answered, on connections that are kept."""

import asyncio
import json
import statistics
import time
from collections.abc import Sequence
from dataclasses import dataclass

from machine import cpu_seconds

__all__ = ["Load", "Target", "chat_request", "produced_tokens", "run_load", "spend_all"]

_OK = 200
#: After a refusal a client of `spend_all` waits so long before it asks again.
_PAUSE_SECONDS = 0.2


@dataclass(frozen=True)
class Target:
    """Where requests go, and what they are.

    Attributes:
        name: What answers.
        address: `host:port`.
        request: All bytes of one request.
    """

    name: str
    address: str
    request: bytes


@dataclass(frozen=True)
class Load:
    """One load: what it came to.

    Attributes:
        name: What was measured.
        connections: How many sent one request after another.
        requests_per_second: Answers.
        p50_ms: Median time until the whole answer was there.
        p99_ms: 99th percentile of that.
        cpu_us: CPU of the processes that were watched, for a request, in µs.
    """

    name: str
    connections: int
    requests_per_second: float
    p50_ms: float
    p99_ms: float
    cpu_us: float


def chat_request(
    address: str, path: str, key: str, *, model: str, prompt: str, tokens: int, is_stream: bool
) -> bytes:
    """Returns the bytes of a chat completion that asks for at most so many tokens."""
    fields = {
        "model": model,
        "messages": [{"role": "user", "content": prompt}],
        "max_tokens": tokens,
        "stream": is_stream,
    }
    body = json.dumps(fields).encode()
    head = (
        f"POST {path} HTTP/1.1\r\nhost: {address}\r\nauthorization: Bearer {key}\r\n"
        f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def run_load(
    target: Target, *, connections: int, seconds: float, pids: Sequence[int]
) -> Load:
    """Sends requests for so long.

    Args:
        target: What is asked.
        connections: How many at once.
        seconds: For how long.
        pids: Whose CPU is counted.

    Raises:
        RuntimeError: something else than 200 was answered.
    """
    latencies: list[float] = []
    before, begun = cpu_seconds(*pids), time.monotonic()
    until = begun + seconds
    await asyncio.gather(*(_client(target, until, latencies) for _ in range(connections)))
    elapsed, cpu = time.monotonic() - begun, cpu_seconds(*pids) - before
    ordered = sorted(latencies)
    return Load(
        target.name,
        connections,
        round(len(ordered) / elapsed, 1),
        round(statistics.median(ordered) * 1e3, 3),
        round(ordered[int(len(ordered) * 0.99)] * 1e3, 3),
        round(cpu / len(ordered) * 1e6, 1),
    )


async def spend_all(targets: Sequence[Target], *, clients: int, seconds: float) -> None:
    """Lets clients, spread over the targets, ask again and again, whatever they are refused."""
    until = time.monotonic() + seconds
    await asyncio.gather(
        *(_spender(targets[number % len(targets)], until) for number in range(clients))
    )


async def produced_tokens(simulator: str, name: str) -> int:
    """Returns how many tokens of output a simulator has produced for prompts with that name."""
    host, _, port = simulator.rpartition(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    writer.write(b"GET /counts HTTP/1.1\r\nhost: simulator\r\n\r\n")
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    length = head.partition(b"content-length: ")[2].partition(b"\r\n")[0]
    counts = json.loads(await reader.readexactly(int(length)))
    writer.close()
    return int(counts.get(f"tokens {name}", 0))


async def _client(target: Target, until: float, latencies: list[float]) -> None:
    reader, writer = await _connected(target)
    while time.monotonic() < until:
        begun = time.perf_counter()
        status = await _exchange(target, reader, writer)
        if status != _OK:
            raise RuntimeError(f"{target.name} answered with the status {status}")
        latencies.append(time.perf_counter() - begun)
    writer.close()


async def _spender(target: Target, until: float) -> None:
    reader, writer = await _connected(target)
    while time.monotonic() < until:
        if await _exchange(target, reader, writer) != _OK:
            await asyncio.sleep(_PAUSE_SECONDS)
    writer.close()


async def _connected(target: Target) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    host, _, port = target.address.rpartition(":")
    return await asyncio.open_connection(host, int(port))


async def _exchange(
    target: Target, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
) -> int:
    """Sends one request and reads its whole answer; returns the status."""
    writer.write(target.request)
    head = (await reader.readuntil(b"\r\n\r\n")).lower()
    if b"transfer-encoding: chunked" in head:
        while await _chunk(reader):
            pass
    else:
        length = head.partition(b"content-length: ")[2].partition(b"\r\n")[0]
        await reader.readexactly(int(length))
    return int(head.split(b" ", 2)[1])


async def _chunk(reader: asyncio.StreamReader) -> bool:
    """Reads one chunk; returns whether there are more."""
    size = int(await reader.readline(), 16)
    await reader.readexactly(size + 2)
    return size > 0
