"""The client for asyncio."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from typing import Any, Final, Self, TypeVar, Unpack
from uuid import uuid4

import grpc

from fluxrouter.client.coalescing import Coalescer
from fluxrouter.client.errors import (
    AlreadyRouted,
    RateLimited,
    Unavailable,
    error_of_call,
)
from fluxrouter.client.holds import Hold, HoldFields
from fluxrouter.client.options import Options
from fluxrouter.v1 import metering_pb2, router_pb2
from fluxrouter.v1.metering_pb2_grpc import MeteringServiceStub
from fluxrouter.v1.router_pb2_grpc import RouterServiceStub

__all__ = ["AsyncClient"]

A = TypeVar("A")

_FIRST_PAUSE_SECONDS: Final = 0.02
_LONGEST_PAUSE_SECONDS: Final = 1.0


class AsyncClient:
    """Routes, settles and releases. Use it as a context manager, and one for many calls.

    Args:
        address: `host:port` of the server.
        options: How it behaves.
        credential: As in `Options`, for who needs nothing else.
    """

    def __init__(
        self, address: str, options: Options | None = None, *, credential: str = ""
    ) -> None:
        options = options or Options()
        self._options = replace(options, credential=credential) if credential else options
        self._address = address
        self._channel: grpc.aio.Channel | None = None

    async def __aenter__(self) -> Self:
        """Prepares the connection; it is made with the first call."""
        options, metadata = self._options, self._options.metadata()
        self._channel = options.channel(self._address)
        self._router: Any = RouterServiceStub(self._channel)
        self._metering: Any = MeteringServiceStub(self._channel)
        self._routes: Coalescer[router_pb2.RouteRequest, router_pb2.RouteResponse] = Coalescer(
            self._router.RouteStream,
            lambda number, requests: router_pb2.RouteStreamRequest(
                batch_id=number, requests=requests
            ),
            metadata,
        )
        self._settlements: Coalescer[metering_pb2.SettleRequest, metering_pb2.SettleResponse] = (
            Coalescer(
                self._metering.SettleStream,
                lambda number, requests: metering_pb2.SettleStreamRequest(
                    batch_id=number, requests=requests
                ),
                metadata,
            )
        )
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Ends the connection; calls that wait fail."""
        await self._routes.close()
        await self._settlements.close()
        if self._channel is not None:
            await self._channel.close()

    async def route(self, request: router_pb2.RouteRequest) -> router_pb2.RouteResponse:
        """Asks for a hold, and again while the server says that this makes sense.

        An id is made where there is none, so that a lost answer can be asked for again.

        Raises:
            Denied: the server said no.
            AlreadyRouted: the request was admitted before this call.
            Unavailable: no answer within the deadline. A hold that was made all the same ends by
                its expiry, or by `release`.
        """
        is_ours = not request.request_id
        if is_ours:
            named = router_pb2.RouteRequest(request_id=uuid4().hex)
            named.MergeFrom(request)
            request = named
        tries = 0

        async def attempt() -> router_pb2.RouteResponse:
            nonlocal tries
            tries += 1
            if self._options.coalesces:
                return await self._routes.call(request)
            response: router_pb2.RouteResponse = await self._unary(self._router.Route, request)
            return response

        response = await self._until_answered(attempt)
        # A replay after a lost answer, or of an id that nobody else knows, is this very call's.
        if response.replayed and not is_ours and tries == 1:
            raise AlreadyRouted(response)
        return response

    async def settle(self, hold_id: str, usage: metering_pb2.Usage) -> metering_pb2.Receipt:
        """Charges a hold; may be repeated.

        Raises:
            Denied: the server said no.
            Unavailable: no answer within the deadline.
        """
        request = metering_pb2.SettleRequest(hold_id=hold_id, usage=usage)

        async def attempt() -> metering_pb2.SettleResponse:
            if self._options.coalesces:
                return await self._settlements.call(request)
            response: metering_pb2.SettleResponse = await self._unary(
                self._metering.Settle, request
            )
            return response

        return (await self._until_answered(attempt)).receipt

    async def release(self, hold_id: str) -> metering_pb2.Receipt:
        """Gives a hold back; may be repeated. Raises as `settle`."""
        request = metering_pb2.ReleaseRequest(hold_id=hold_id)

        async def attempt() -> metering_pb2.ReleaseResponse:
            response: metering_pb2.ReleaseResponse = await self._unary(
                self._metering.Release, request
            )
            return response

        return (await self._until_answered(attempt)).receipt

    @asynccontextmanager
    async def hold(self, **fields: Unpack[HoldFields]) -> AsyncIterator[Hold]:
        """Holds money for one request while the block runs.

        On leaving, the hold is settled if `Hold.used` was called, and released if not, whether the
        block ended well, raised or was cancelled.

        Raises:
            Denied: the server said no.
            AlreadyRouted: the request was admitted before this call.
            Unavailable: no answer within the deadline, to the admission or to the ending.
        """
        held = Hold(await self.route(router_pb2.RouteRequest(**fields)))
        try:
            yield held
        finally:
            # Shielded: a caller that is cancelled must not leave its hold behind.
            held.receipt = await asyncio.shield(self._end(held))

    async def _end(self, held: Hold) -> metering_pb2.Receipt:
        if held.usage is not None:
            return await self.settle(held.id, held.usage)
        return await self.release(held.id)

    async def _unary(self, method: Callable[..., Awaitable[A]], request: object) -> A:
        try:
            return await method(
                request,
                metadata=self._options.metadata(),
                timeout=self._options.timeout_seconds,
            )
        except grpc.aio.AioRpcError as error:
            raise error_of_call(error) from error

    async def _until_answered(self, attempt: Callable[[], Awaitable[A]]) -> A:
        """Tries until there is an answer, or the deadline has passed."""
        last: Exception | None = None
        pause = _FIRST_PAUSE_SECONDS
        try:
            async with asyncio.timeout(self._options.timeout_seconds):
                while True:
                    try:
                        return await attempt()
                    except Unavailable as error:
                        last, wait = error, error.retry_after_seconds
                    except RateLimited as error:
                        if not self._options.waits_for_rates:
                            raise
                        last, wait = error, error.retry_after_seconds
                    await asyncio.sleep(pause if wait is None else wait)
                    pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)
        except TimeoutError as error:
            if last is not None:
                raise last from error
            raise Unavailable(
                f"no answer within {self._options.timeout_seconds:g} s from {self._address}"
            ) from error
