"""Callers that spend one account's money while its store fails, and what they were told."""

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import grpc

from fluxrouter.v1 import metering_pb2, router_pb2
from fluxrouter_testing.customers import Connection, connected, reason_of

__all__ = ["Told", "spending"]

_CALL_SECONDS = 5.0
_RETRY_SECONDS = 0.02
_WISH_TOKENS = 200


@dataclass
class Told:
    """What the callers were told, by this machine's monotonic clock.

    Attributes:
        admitted_at: When each admitted request was sent.
        receipts: When each receipt came, and what it bills in nano-USD.
        unavailable: How many calls were answered UNAVAILABLE.
        seen: Settled and held together, as often as an observer could read them.
        is_over: Set to have everybody finish what is admitted, and stop.
    """

    admitted_at: list[float] = field(default_factory=list)
    receipts: list[tuple[float, int]] = field(default_factory=list)
    unavailable: int = 0
    seen: list[int] = field(default_factory=list)
    is_over: bool = False

    @property
    def billed_nano_usd(self) -> int:
        """The sum of all receipts."""
        return sum(billed for _, billed in self.receipts)


class _Caller:
    """Routes and settles, one request after the other, each with an id of its own."""

    def __init__(self, number: int, account: str, connection: Connection, told: Told) -> None:
        self._number = number
        self._account = account
        self._connection = connection
        self._told = told

    async def run(self) -> None:
        count = 0
        while not self._told.is_over:
            count += 1
            answer = await self._route(f"{self._number}-{count}")
            if answer is None:
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                await self._settle(answer)

    async def _route(self, request_id: str) -> router_pb2.RouteResponse | None:
        """One try: an unknown outcome is the server's to give back, for nobody asks again."""
        request = router_pb2.RouteRequest(
            account=self._account,
            model="flux-fast",
            request_id=request_id,
            input_tokens=_WISH_TOKENS,
            max_output_tokens=_WISH_TOKENS,
        )
        sent_at = time.monotonic()
        try:
            answer = await self._connection.router.Route(request, timeout=_CALL_SECONDS)
        except grpc.aio.AioRpcError as error:
            if reason_of(error) != "CAP_REACHED":
                self._note(error)
            return None
        self._told.admitted_at.append(sent_at)
        return answer

    async def _settle(self, answer: router_pb2.RouteResponse) -> None:
        """Until there is a receipt: what was admitted must be known for as long as it lives."""
        usage = metering_pb2.Usage(
            input_tokens=answer.input_tokens, output_tokens=answer.granted_max_output_tokens
        )
        request = metering_pb2.SettleRequest(hold_id=answer.hold_id, usage=usage)
        while True:
            try:
                settled = await self._connection.metering.Settle(request, timeout=_CALL_SECONDS)
            except grpc.aio.AioRpcError as error:
                self._note(error)
                await asyncio.sleep(_RETRY_SECONDS)
            else:
                billed = settled.receipt.billed_nano_usd
                self._told.receipts.append((time.monotonic(), billed))
                return

    def _note(self, error: grpc.aio.AioRpcError) -> None:
        if error.code() is not grpc.StatusCode.UNAVAILABLE:
            raise error
        self._told.unavailable += 1


async def _observe(connection: Connection, account: str, told: Told) -> None:
    while True:
        with contextlib.suppress(grpc.aio.AioRpcError):
            spend = await connection.spend(account)
            told.seen.append(spend.settled_nano_usd + spend.held_nano_usd)
        await asyncio.sleep(_RETRY_SECONDS)


@asynccontextmanager
async def spending(
    addresses: Sequence[str], account: str, *, callers: int = 16
) -> AsyncIterator[Told]:
    """Has callers spend until left, which waits for every receipt that is due."""
    told = Told()
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as group:
        for number in range(callers):
            address = addresses[number % len(addresses)]
            connection = await stack.enter_async_context(connected(address))
            group.create_task(_Caller(number, account, connection, told).run())
        watch = await stack.enter_async_context(connected(addresses[0]))
        observer = group.create_task(_observe(watch, account, told))
        yield told
        told.is_over = True
        observer.cancel()
