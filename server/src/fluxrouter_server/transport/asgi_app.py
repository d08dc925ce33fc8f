"""The ASGI application that Envoy runs: one endpoint a path, between a start and an end.

Envoy calls it once with `lifespan`, waits for the start, and serves nothing when that fails.
"""

import sys
import traceback
from collections.abc import Callable, Iterable, Mapping
from contextlib import AbstractAsyncContextManager
from typing import Final, TypeAlias

from fluxrouter_server.api.error_table import Code
from fluxrouter_server.api.methods import AnyMethod, DuplexMethod, StreamMethod, UnaryMethod
from fluxrouter_server.api.status_details import Failure
from fluxrouter_server.transport.asgi_headers import failure_only
from fluxrouter_server.transport.asgi_stream import duplex_endpoint, stream_endpoint
from fluxrouter_server.transport.asgi_types import Endpoint, Receive, Scope, Send
from fluxrouter_server.transport.asgi_unary import unary_endpoint
from fluxrouter_server.transport.call_pipeline import CallPipeline

__all__ = ["ELSEWHERE", "AsgiApp", "Endpoints", "call_endpoints", "unknown_method"]

#: Endpoints by path.
Endpoints: TypeAlias = Mapping[str, Endpoint]
#: In place of a path: the endpoint of all others.
ELSEWHERE: Final = ""

#: As on grpc.aio: a message that is too large is read up to so many times the limit, because the
#: pipeline's answer can then name the field.
_READ_BEYOND_LIMIT: Final = 4


class AsgiApp:
    """Opens the endpoints when Envoy starts, closes them when it ends.

    Args:
        opened: Returns the endpoints for as long as they may be called.
    """

    def __init__(self, opened: Callable[[], AbstractAsyncContextManager[Endpoints]]) -> None:
        self._opened = opened
        self._endpoints: Endpoints = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serves a call, or the whole life of the application."""
        if scope["type"] == "http":
            endpoint = self._endpoints.get(scope["path"])
            if endpoint is None:
                endpoint = self._endpoints.get(ELSEWHERE, unknown_method)
            await endpoint(scope, receive, send)
        elif scope["type"] == "lifespan":
            await self._live(receive, send)

    async def _live(self, receive: Receive, send: Send) -> None:
        await receive()
        try:
            async with self._opened() as self._endpoints:
                await send({"type": "lifespan.startup.complete"})
                await receive()
        except Exception as error:  # noqa: BLE001 - whatever it is, Envoy must end, and say why
            traceback.print_exception(error, file=sys.stderr)
            await send({"type": "lifespan.startup.failed", "message": str(error)})
            return
        await send({"type": "lifespan.shutdown.complete"})


def call_endpoints(
    methods: Iterable[AnyMethod], pipeline: CallPipeline, *, max_message_bytes: int
) -> dict[str, Endpoint]:
    """Returns the methods by their paths."""
    read_bytes = max_message_bytes * _READ_BEYOND_LIMIT
    endpoints: dict[str, Endpoint] = {}
    for method in methods:
        path = f"/{method.service}/{method.name}"
        match method:
            case UnaryMethod():
                unary = pipeline.bind_unary(method)
                endpoints[path] = unary_endpoint(unary, max_message_bytes=read_bytes)
            case StreamMethod():
                stream = pipeline.bind_stream(method)
                endpoints[path] = stream_endpoint(stream, max_message_bytes=read_bytes)
            case DuplexMethod():
                duplex = pipeline.bind_duplex(method)
                endpoints[path] = duplex_endpoint(duplex, max_message_bytes=read_bytes)
    return endpoints


async def unknown_method(scope: Scope, _: Receive, send: Send) -> None:
    """Answers a gRPC call of a method that there is not."""
    failure = Failure(Code.UNIMPLEMENTED, f"no method {scope['path']} is served here", b"")
    for event in failure_only(failure):
        await send(event)
