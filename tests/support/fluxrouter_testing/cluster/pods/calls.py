"""Calls as customers make them, without any retry of their own, over gRPC and over HTTP."""

import json
import ssl
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from decimal import Decimal
from typing import Any, Final
from uuid import uuid4

import aiohttp
import grpc
from google.rpc import error_details_pb2, status_pb2

from fluxrouter.v1 import metering_pb2, router_pb2
from fluxrouter.v1.metering_pb2_grpc import MeteringServiceStub
from fluxrouter.v1.router_pb2_grpc import RouterServiceStub

_CALL_SECONDS: Final = 15.0
_OK: Final = 200
_DETAILS: Final = "grpc-status-details-bin"


@dataclass(frozen=True, slots=True)
class Order:
    """Whom to call, and as who.

    Attributes:
        grpc: `host:port`.
        http: Base URL of the edge.
        name: In the server's certificate, whatever address is called.
        ca: Whom to trust, in PEM.
        key: The API key.
        addresses: Of single replicas, `host:port`.
        input_tokens: Of each request.
        output_tokens: The same.
    """

    grpc: str
    http: str
    name: str
    ca: str
    key: str
    addresses: tuple[str, ...] = ()
    input_tokens: int = 200
    output_tokens: int = 20

    @property
    def metadata(self) -> tuple[tuple[str, str], ...]:
        """What goes along with each gRPC call."""
        return (("authorization", f"Bearer {self.key}"),)


@dataclass(frozen=True, slots=True)
class Outcome:
    """What one request came to.

    Attributes:
        refusal: Reason or error; empty where it was served and settled.
        status: HTTP's, 0 over gRPC.
        billed_nano_usd: What was charged.
    """

    refusal: str = ""
    status: int = 0
    billed_nano_usd: int = 0


def read_order() -> Order:
    """Reads the order from the first line of standard input."""
    return Order(**json.loads(sys.stdin.readline()))


def grpc_channel(order: Order, address: str) -> grpc.aio.Channel:
    """Returns a channel of its own connection, to the Service or to one replica."""
    return grpc.aio.secure_channel(
        address,
        grpc.ssl_channel_credentials(order.ca.encode()),
        options=(
            ("grpc.ssl_target_name_override", order.name),
            ("grpc.use_local_subchannel_pool", 1),
        ),
    )


@asynccontextmanager
async def http_session(order: Order) -> AsyncIterator[aiohttp.ClientSession]:
    """Opens a session that keeps its connection, as SDKs do."""
    trust = ssl.create_default_context(cadata=order.ca)
    async with aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(ssl=trust, limit=1),
        headers={"authorization": f"Bearer {order.key}"},
        timeout=aiohttp.ClientTimeout(total=_CALL_SECONDS),
    ) as session:
        yield session


async def by_grpc(order: Order, channel: grpc.aio.Channel) -> Outcome:
    """Routes a request and settles it with what it asked for."""
    router: Any = RouterServiceStub(channel)
    metering: Any = MeteringServiceStub(channel)
    call: dict[str, Any] = {"metadata": order.metadata, "timeout": _CALL_SECONDS}
    request = router_pb2.RouteRequest(
        model="flux-auto",
        request_id=str(uuid4()),
        input_tokens=order.input_tokens,
        max_output_tokens=order.output_tokens,
    )
    try:
        hold = await router.Route(request, **call)
        usage = metering_pb2.Usage(
            input_tokens=order.input_tokens, output_tokens=hold.granted_max_output_tokens
        )
        settled = await metering.Settle(
            metering_pb2.SettleRequest(hold_id=hold.hold_id, usage=usage), **call
        )
    except grpc.aio.AioRpcError as error:
        return Outcome(_reason(error))
    return Outcome(billed_nano_usd=settled.receipt.billed_nano_usd)


async def by_http(order: Order, session: aiohttp.ClientSession) -> Outcome:
    """Asks for a chat completion; the edge holds and settles."""
    words = "word " * (order.input_tokens * 4 // 5)  # the stand-in counts four characters a token
    prompt = f"{words}[[simulate tokens={order.output_tokens}]]"
    body = {
        "model": "flux-auto",
        "max_tokens": order.output_tokens,
        "messages": [{"role": "user", "content": prompt}],
    }
    try:
        async with session.post(f"{order.http}/chat/completions", json=body) as answer:
            text = await answer.text()
            if answer.status != _OK:
                # Never empty, which would count as served.
                return Outcome(_code(text) or f"{answer.status} without a body", answer.status)
            cost = Decimal(answer.headers["X-Flux-Cost-Usd"])
            return Outcome("", _OK, int(cost * 10**9))
    except (aiohttp.ClientError, TimeoutError) as error:
        return Outcome(f"{type(error).__name__}: {error}")


def _reason(error: grpc.aio.AioRpcError) -> str:
    """Returns the reason in the error's details, else its status and message."""
    metadata = dict(error.trailing_metadata() or ())
    status = status_pb2.Status.FromString(metadata.get(_DETAILS, b""))
    about = error_details_pb2.ErrorInfo()
    for detail in status.details:
        if detail.Unpack(about):
            return str(about.reason)
    return f"{error.code().name}: {error.details()}"


def _code(text: str) -> str:
    try:
        return str(json.loads(text)["error"]["code"])
    except (ValueError, KeyError, TypeError):
        return text[:200]
