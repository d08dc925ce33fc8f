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
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import asdict, dataclass
from typing import cast

import grpc
import uvloop

from fluxrouter.v1 import metering_pb2, router_pb2

_ROUTE = "/fluxrouter.v1.RouterService/Route"
_ROUTE_BATCH = "/fluxrouter.v1.RouterService/RouteBatch"
_ROUTE_STREAM = "/fluxrouter.v1.RouterService/RouteStream"
_SETTLE = "/fluxrouter.v1.MeteringService/Settle"

#: Returns how many decisions it brought; 0 is a refusal.
Call = Callable[[], Awaitable[int]]


@dataclass(frozen=True)
class Order:
    """What to do.

    Attributes:
        kind: `echo`, `route`, `route-settle`, `batch` or `stream` (of Route).
        target: `host:port`.
        accounts: names of the accounts to route for, in turn; of `echo`, ignored.
        connections: how many channels, each with a connection of its own.
        streams: how many calls run at the same time, over all connections.
        batch: how many requests a message of `batch` and `stream` has.
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
    batch: int = 50


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
        self._batch: grpc.aio.UnaryUnaryMultiCallable[bytes, bytes] = self.channel.unary_unary(
            _ROUTE_BATCH
        )
        self._stream: grpc.aio.StreamStreamMultiCallable[bytes, bytes] = self.channel.stream_stream(
            _ROUTE_STREAM
        )
        self._streams: dict[object, grpc.aio.StreamStreamCall[bytes, bytes]] = {}
        self.call: Call = {
            "echo": self.echo,
            "route": self.route,
            "route-settle": self.route_settle,
            "batch": self.batch,
            "stream": self.stream,
        }[order.kind]

    def _request(self) -> bytes:
        return self._next().SerializeToString()

    def _requests(
        self, message: router_pb2.RouteBatchRequest | router_pb2.RouteStreamRequest
    ) -> bytes:
        message.requests.extend(self._next() for _ in range(self._order.batch))
        return message.SerializeToString()

    def _next(self) -> router_pb2.RouteRequest:
        number = next(self._numbers)
        accounts = self._order.accounts
        return request(accounts[number % len(accounts)], number)

    async def echo(self) -> int:
        await self._echo(self._request())
        return 1

    async def route(self) -> int:
        try:
            await self._route(self._request())
        except grpc.aio.AioRpcError as error:
            return _refused(error)
        return 1

    async def batch(self) -> int:
        answer = await self._batch(self._requests(router_pb2.RouteBatchRequest()))
        return _admitted(router_pb2.RouteBatchResponse.FromString(answer).results)

    async def stream(self) -> int:
        """Sends a message and awaits its answer, on the stream of the worker that calls."""
        task = asyncio.current_task()
        call = self._streams.get(task)
        if call is None:
            call = self._streams[task] = self._stream()
        await call.write(self._requests(router_pb2.RouteStreamRequest(batch_id=1)))
        answer = cast("bytes", await call.read())
        return _admitted(router_pb2.RouteStreamResponse.FromString(answer).results)

    async def route_settle(self) -> int:
        try:
            answer = router_pb2.RouteResponse.FromString(await self._route(self._request()))
        except grpc.aio.AioRpcError as error:
            return _refused(error)
        usage = metering_pb2.Usage(input_tokens=800, output_tokens=210)
        settle = metering_pb2.SettleRequest(hold_id=answer.hold_id, usage=usage)
        receipt = await self._settled(settle)  # first: `+= await` would forget other callers' sums
        self.billed_nano_usd += receipt.billed_nano_usd
        return 1

    async def _settled(self, settle: metering_pb2.SettleRequest) -> metering_pb2.Receipt:
        """Settles, again where a busy machine did not answer in time: the receipt is the same."""
        while True:
            try:
                answer = await self._settle(settle.SerializeToString())
            except grpc.aio.AioRpcError as error:
                _refused(error)
                continue
            return metering_pb2.SettleResponse.FromString(answer).receipt


def _refused(error: grpc.aio.AioRpcError) -> int:
    """Denials, and decisions that a busy machine did not have in time, are no decisions."""
    if error.code() in {grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.UNAVAILABLE}:
        return 0
    raise error


def _admitted(results: Sequence[router_pb2.RouteResult]) -> int:
    """Counts admissions."""
    return sum(result.HasField("response") for result in results)


async def _worker(call: Call, until: float, latencies: list[float]) -> tuple[int, int]:
    """Calls until then; returns how many decisions it had, and how many refusals."""
    decided = refused = 0
    while (start := time.perf_counter()) < until:
        if count := await call():
            latencies.append(time.perf_counter() - start)
            decided += count
        else:
            refused += 1
    return decided, refused


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
        calls=sum(worker.result()[0] for worker in workers),
        refused=sum(worker.result()[1] for worker in workers),
        seconds=seconds,
        p50_ms=round(ordered[len(ordered) // 2] * 1e3, 3),
        p99_ms=round(ordered[len(ordered) * 99 // 100] * 1e3, 3),
        billed_nano_usd=sum(caller.billed_nano_usd for caller in callers),
    )


if __name__ == "__main__":
    print(json.dumps(asdict(uvloop.run(run(Order(**json.load(sys.stdin)))))))
