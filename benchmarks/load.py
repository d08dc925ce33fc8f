"""A load generator in a process of its own: a closed loop of concurrent calls over real gRPC.

Run as `load.py` with one JSON object on standard input (the fields of `Order`); answers with one
JSON object (the fields of `Outcome`).
"""

import asyncio
import itertools
import json
import os
import sys
import time
from collections.abc import Awaitable, Callable
from dataclasses import asdict, dataclass

import grpc
import uvloop

from fluxrouter.v1 import metering_pb2, router_pb2

_ROUTE = "/fluxrouter.v1.RouterService/Route"
_SETTLE = "/fluxrouter.v1.MeteringService/Settle"

Call = Callable[[], Awaitable[bool]]


@dataclass(frozen=True)
class Order:
    """What to do.

    Attributes:
        kind: `echo`, `route` or `route-settle`.
        target: `host:port`.
        accounts: names of the accounts to route for, in turn; of `echo`, ignored.
        connections: how many channels, each with a connection of its own.
        streams: how many calls run at the same time, over all connections.
        seconds: for how long.
        echo_method: the method to call for `echo`.
    """

    kind: str
    target: str
    accounts: list[str]
    connections: int
    streams: int
    seconds: float
    echo_method: str = ""


@dataclass(frozen=True)
class Outcome:
    """What came of it: counts, wall seconds, latencies in ms, and what receipts were given for."""

    calls: int
    refused: int
    seconds: float
    p50_ms: float
    p99_ms: float
    billed_nano_usd: int


def request(account: str, number: int) -> router_pb2.RouteRequest:
    """Returns a typical request: a model by alias, counted input, labels, an id of its own."""
    return router_pb2.RouteRequest(
        account=account,
        model="flux-fast",
        request_id=f"bench-{os.getpid()}-{number}",
        input_tokens=850,
        text="Summarise the following meeting notes in five bullet points, friendly but firm.",
        max_output_tokens=400,
        protocol="chat-completions",
        labels={"team": "search", "service": "assistant"},
    )


class _Callers:
    """Makes the calls of an order over one connection."""

    def __init__(self, order: Order, numbers: "itertools.count[int]") -> None:
        options = [("grpc.use_local_subchannel_pool", 1)]  # else all channels share a connection
        self.channel = grpc.aio.insecure_channel(order.target, options)
        self.billed_nano_usd = 0
        self._order = order
        self._numbers = numbers
        self._echo: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self.channel.unary_unary(
            order.echo_method or _ROUTE
        )
        self._route: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self.channel.unary_unary(
            _ROUTE
        )
        self._settle: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self.channel.unary_unary(
            _SETTLE
        )
        self.call: Call = {
            "echo": self.echo,
            "route": self.route,
            "route-settle": self.route_settle,
        }[order.kind]

    def _request(self) -> bytes:
        number = next(self._numbers)
        accounts = self._order.accounts
        return request(accounts[number % len(accounts)], number).SerializeToString()

    async def echo(self) -> bool:
        await self._echo(self._request())
        return True

    async def route(self) -> bool:
        try:
            await self._route(self._request())
        except grpc.aio.AioRpcError as error:
            return _refused(error)
        return True

    async def route_settle(self) -> bool:
        try:
            answer = router_pb2.RouteResponse.FromString(await self._route(self._request()))
        except grpc.aio.AioRpcError as error:
            return _refused(error)
        usage = metering_pb2.Usage(input_tokens=800, output_tokens=210)
        settle = metering_pb2.SettleRequest(hold_id=answer.hold_id, usage=usage)
        receipt = metering_pb2.SettleResponse.FromString(
            await self._settle(settle.SerializeToString())
        ).receipt
        self.billed_nano_usd += receipt.billed_nano_usd
        return True


def _refused(error: grpc.aio.AioRpcError) -> bool:
    """A denial is an answer; anything else would make the figures meaningless."""
    if error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED:
        return False
    raise error


async def _worker(call: Call, until: float, latencies: list[float]) -> int:
    refused = 0
    while (start := time.perf_counter()) < until:
        if await call():
            latencies.append(time.perf_counter() - start)
        else:
            refused += 1
    return refused


async def run(order: Order) -> Outcome:
    """Carries an order out."""
    numbers = itertools.count()
    callers = [_Callers(order, numbers) for _ in range(order.connections)]
    for caller in callers:
        await caller.call()  # connects, and fills the server's caches
    latencies: list[float] = []
    start = time.perf_counter()
    async with asyncio.TaskGroup() as group:
        workers = [
            group.create_task(
                _worker(callers[stream % len(callers)].call, start + order.seconds, latencies)
            )
            for stream in range(order.streams)
        ]
    seconds = time.perf_counter() - start
    for caller in callers:
        await caller.channel.close()
    ordered = sorted(latencies) or [0.0]
    return Outcome(
        calls=len(latencies),
        refused=sum(worker.result() for worker in workers),
        seconds=seconds,
        p50_ms=round(ordered[len(ordered) // 2] * 1e3, 3),
        p99_ms=round(ordered[len(ordered) * 99 // 100] * 1e3, 3),
        billed_nano_usd=sum(caller.billed_nano_usd for caller in callers),
    )


if __name__ == "__main__":
    print(json.dumps(asdict(uvloop.run(run(Order(**json.load(sys.stdin)))))))
