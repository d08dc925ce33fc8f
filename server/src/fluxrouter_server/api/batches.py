"""Batch forms of Route and Settle: each request is decided by itself, all in one trip to the store.

What is asked for in one turn of the event loop leaves for the store in one write, so deciding
together means no more than beginning together.
"""

import asyncio
from collections.abc import Awaitable, Callable, Sequence
from typing import Final, TypeVar

from google.protobuf.message import Message

from fluxrouter.v1 import metering_pb2, router_pb2
from fluxrouter_server.api.call_context import CallContext
from fluxrouter_server.api.error_table import denial_of
from fluxrouter_server.api.metering_api import MeteringApi
from fluxrouter_server.api.room import Room
from fluxrouter_server.api.router_api import RouterApi
from fluxrouter_server.api.status_details import refusal
from fluxrouter_server.domain.denials import Denial
from fluxrouter_server.services.ports.errors import StoreUnavailable
from fluxrouter_server.services.refusals import invalid_field

__all__ = ["MAX_BATCH", "MeteringBatches", "RouterBatches"]

Q = TypeVar("Q", bound=Message)
A = TypeVar("A", bound=Message)

#: Twice what a batch gains anything from. A store that is busy with other things decides one within
#: the time that a decision waits for it.
MAX_BATCH: Final = 100
#: Requests of all batches and streams of a process that are decided at once, of either kind: some
#: 50 ms of a store's work, behind which everybody else's decisions still come in time.
_AT_ONCE: Final = 500


class RouterBatches:
    """RouteBatch, and each message of RouteStream.

    Args:
        router: Decides about one request.
    """

    def __init__(self, router: RouterApi) -> None:
        self._router = router
        self._room = Room(_AT_ONCE)

    async def route_batch(
        self, message: router_pb2.RouteBatchRequest, context: CallContext
    ) -> router_pb2.RouteBatchResponse | Denial:
        """Answers RouteBatch."""
        wrong = _wrong_size(message.requests)
        if wrong is not None:
            return wrong
        results = await self._results(message.requests, context)
        return router_pb2.RouteBatchResponse(results=results)

    async def route_stream(
        self, message: router_pb2.RouteStreamRequest, context: CallContext
    ) -> router_pb2.RouteStreamResponse | Denial:
        """Answers one message of RouteStream."""
        wrong = _wrong_size(message.requests)
        if wrong is not None:
            return wrong
        results = await self._results(message.requests, context)
        return router_pb2.RouteStreamResponse(batch_id=message.batch_id, results=results)

    async def _results(
        self, requests: Sequence[router_pb2.RouteRequest], context: CallContext
    ) -> list[router_pb2.RouteResult]:
        async with self._room.taken(len(requests)):
            outcomes = await _each(self._router.route, requests, context)
        return [_route_result(outcome) for outcome in outcomes]


class MeteringBatches:
    """SettleBatch, and each message of SettleStream.

    Args:
        metering: Settles one hold.
    """

    def __init__(self, metering: MeteringApi) -> None:
        self._metering = metering
        self._room = Room(_AT_ONCE)

    async def settle_batch(
        self, message: metering_pb2.SettleBatchRequest, context: CallContext
    ) -> metering_pb2.SettleBatchResponse | Denial:
        """Answers SettleBatch."""
        wrong = _wrong_size(message.requests)
        if wrong is not None:
            return wrong
        results = await self._results(message.requests, context)
        return metering_pb2.SettleBatchResponse(results=results)

    async def settle_stream(
        self, message: metering_pb2.SettleStreamRequest, context: CallContext
    ) -> metering_pb2.SettleStreamResponse | Denial:
        """Answers one message of SettleStream."""
        wrong = _wrong_size(message.requests)
        if wrong is not None:
            return wrong
        results = await self._results(message.requests, context)
        return metering_pb2.SettleStreamResponse(batch_id=message.batch_id, results=results)

    async def _results(
        self, requests: Sequence[metering_pb2.SettleRequest], context: CallContext
    ) -> list[metering_pb2.SettleResult]:
        async with self._room.taken(len(requests)):
            outcomes = await _each(self._metering.settle, requests, context)
        return [_settle_result(outcome) for outcome in outcomes]


async def _each(
    serve: Callable[[Q, CallContext], Awaitable[A | Denial]],
    requests: Sequence[Q],
    context: CallContext,
) -> list[A | Denial]:
    """Serves all at once; what the store did not decide is a denial of that request alone."""

    async def one(request: Q) -> A | Denial:
        try:
            return await serve(request, context)
        except StoreUnavailable as error:
            return denial_of(error, to_operator=False)

    return await asyncio.gather(*map(one, requests))


def _wrong_size(requests: Sequence[Message]) -> Denial | None:
    if 1 <= len(requests) <= MAX_BATCH:
        return None
    return invalid_field("requests", f"{len(requests)} are too few or many; send 1 to {MAX_BATCH}")


def _route_result(outcome: router_pb2.RouteResponse | Denial) -> router_pb2.RouteResult:
    if not isinstance(outcome, Denial):
        return router_pb2.RouteResult(response=outcome)
    result = router_pb2.RouteResult()
    result.refusal.MergeFromString(refusal(outcome).status)
    return result


def _settle_result(outcome: metering_pb2.SettleResponse | Denial) -> metering_pb2.SettleResult:
    if not isinstance(outcome, Denial):
        return metering_pb2.SettleResult(response=outcome)
    result = metering_pb2.SettleResult()
    result.refusal.MergeFromString(refusal(outcome).status)
    return result
