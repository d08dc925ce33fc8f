"""Customers of a fleet: asyncio clients that route, settle and retry as a careful service does."""

import asyncio
import itertools
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import cast

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from fluxrouter.v1 import account_pb2, cap_pb2, control_pb2, metering_pb2, plan_pb2, router_pb2
from fluxrouter.v1.cap_pb2_grpc import CapServiceStub
from fluxrouter.v1.control_pb2_grpc import ControlServiceStub
from fluxrouter.v1.ledger_pb2_grpc import LedgerServiceStub
from fluxrouter.v1.metering_pb2_grpc import MeteringServiceStub
from fluxrouter.v1.router_pb2_grpc import RouterServiceStub
from fluxrouter.v1.usage_pb2_grpc import UsageServiceStub
from fluxrouter_server.cli.resource_files import API_VERSION

_CALL_SECONDS = 5.0
_RETRY_SECONDS = 0.02


class Connection:
    """One client's own connection to one server, with the services' stubs."""

    def __init__(self, address: str) -> None:
        """Connects lazily; no other client shares the connection."""
        self.address = address
        options = [("grpc.use_local_subchannel_pool", 1), ("grpc.max_reconnect_backoff_ms", 200)]
        self.channel = grpc.aio.insecure_channel(address, options)
        self.router = RouterServiceStub(self.channel)
        self.metering = MeteringServiceStub(self.channel)
        self.caps = CapServiceStub(self.channel)
        self.control = ControlServiceStub(self.channel)
        self.usage = UsageServiceStub(self.channel)
        self.ledger = LedgerServiceStub(self.channel)

    async def spend(self, account: str) -> cap_pb2.Spend:
        """Reads an account's counters."""
        request = cap_pb2.GetSpendRequest(account=account)
        return (await self.caps.GetSpend(request, timeout=_CALL_SECONDS)).spend

    async def apply(self, *resources: control_pb2.Resource) -> None:
        """Applies resources."""
        request = control_pb2.ApplyRequest(resources=resources)
        await self.control.Apply(request, timeout=_CALL_SECONDS)


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[Connection]:
    """Yields a connection and closes it."""
    connection = Connection(address)
    try:
        yield connection
    finally:
        await connection.channel.close()


def reason_of(error: grpc.aio.AioRpcError) -> str:
    """Returns the reason in a refusal's details, "" where it has none."""
    status = rpc_status.from_call(cast("grpc.Call", error))
    for detail in status.details if status is not None else ():
        info = error_details_pb2.ErrorInfo()
        if detail.Unpack(info):
            return str(info.reason)
    return ""


@dataclass
class Account:
    """What the customers of one account were told, to be compared with the counters.

    Attributes:
        name: of the account.
        billed_nano_usd: sum of all receipts.
        abandoned: holds that were admitted and left to expire, with their amounts in nano-USD.
        admitted: request ids that were admitted.
    """

    name: str
    billed_nano_usd: int = 0
    abandoned: dict[str, int] = field(default_factory=dict)
    admitted: list[str] = field(default_factory=list)


class Customer:
    """Spends an account's money over one server, and over another when that one dies."""

    def __init__(
        self, number: int, account: Account, home: Connection, others: Sequence[Connection]
    ) -> None:
        """Takes its own connection; `others` are used once it fails."""
        self._number = number
        self._account = account
        self._connections = itertools.cycle([home, *others])
        self._connection = next(self._connections)
        self._requests = itertools.count()

    async def spend_until_denied(self, denials: int) -> None:
        """Routes and settles requests of falling size until so many denials came in a row."""
        denied = 0
        while denied < denials:
            # Halves what it asks for after a denial, so that the last cents are asked for too.
            wish = max(1, 900 >> denied)
            route = await self._route(wish)
            if route is None:
                denied += 1
                continue
            denied = 0
            await self._settle(route)

    async def abandon(self) -> None:
        """Routes one request and never settles it, as a customer that dies does."""
        route = await self._route(100)
        assert route is not None, "the account had no room for a hold to abandon"
        self._account.abandoned[route.hold_id] = route.held_nano_usd

    async def _route(self, wish: int) -> router_pb2.RouteResponse | None:
        request = router_pb2.RouteRequest(
            account=self._account.name,
            model="flux-fast",
            request_id=f"customer-{self._number}-{next(self._requests)}",
            input_tokens=max(1, wish // 4),
            max_output_tokens=wish,
        )
        while True:
            try:
                answer = await self._connection.router.Route(request, timeout=_CALL_SECONDS)
            except grpc.aio.AioRpcError as error:
                if reason_of(error) == "CAP_REACHED":
                    return None
                await self._move_on(error)
            else:
                self._account.admitted.append(answer.request_id)
                return answer

    async def _settle(self, route: router_pb2.RouteResponse) -> None:
        usage = metering_pb2.Usage(
            input_tokens=route.input_tokens, output_tokens=route.granted_max_output_tokens
        )
        request = metering_pb2.SettleRequest(hold_id=route.hold_id, usage=usage)
        while True:
            try:
                answer = await self._connection.metering.Settle(request, timeout=_CALL_SECONDS)
            except grpc.aio.AioRpcError as error:
                await self._move_on(error)
            else:
                self._account.billed_nano_usd += answer.receipt.billed_nano_usd
                return

    async def _move_on(self, error: grpc.aio.AioRpcError) -> None:
        """Takes the next server after a failure; the same request is sent again, same id."""
        if error.code() is not grpc.StatusCode.UNAVAILABLE:
            raise error
        self._connection = next(self._connections)
        await asyncio.sleep(_RETRY_SECONDS)


def plan(name: str, cap_usd: str, *, expiry_seconds: int = 30) -> control_pb2.Resource:
    """Returns a plan with a hard cap, no rate limits, holds that charge on expiry."""
    message = plan_pb2.Plan(api_version=API_VERSION, kind="Plan")
    message.metadata.name = name
    message.spec.cap_usd = message.spec.included_credit_usd = cap_usd
    message.spec.holds.expiry_seconds = expiry_seconds
    message.spec.holds.on_expiry = "charge"
    message.spec.holds.min_output_tokens = 1
    return control_pb2.Resource(plan=message)


def account(name: str, plan_name: str, *, suspended: bool = False) -> control_pb2.Resource:
    """Returns an account without budgets, with one key `main`."""
    message = account_pb2.Account(api_version=API_VERSION, kind="Account")
    message.metadata.name = name
    message.spec.plan = plan_name
    message.spec.suspended = suspended
    message.spec.api_keys.add(name="main")
    return control_pb2.Resource(account=message)
