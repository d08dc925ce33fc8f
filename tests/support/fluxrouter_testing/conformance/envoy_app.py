"""The suite's service as ASGI, for Envoy."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any, cast

from fluxrouter_server.transport.asgi_app import AsgiApp, Endpoints, call_endpoints
from fluxrouter_server.transport.asgi_types import Endpoint, Event, Receive, Scope, Send
from fluxrouter_server.transport.call_pipeline import CallPipeline
from fluxrouter_testing.conformance.conversation import CURRENT, Conversation
from fluxrouter_testing.conformance.service import SuitePipeline, methods

__all__ = ["app"]

_MAX_MESSAGE_BYTES = 200 * 1024  # the suite's own limit, which it checks
_START = "http.response.start"
_TRAILERS = "http.response.trailers"


@asynccontextmanager
async def _opened() -> AsyncIterator[Endpoints]:
    pipeline = cast("CallPipeline", SuitePipeline())
    endpoints = call_endpoints(methods(), pipeline, max_message_bytes=_MAX_MESSAGE_BYTES)
    yield {path: _conversing(endpoint) for path, endpoint in endpoints.items()}


def _conversing(endpoint: Endpoint) -> Endpoint:
    """Wraps an endpoint: metadata in and out is the conversation's."""

    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        headers = [(name.decode(), value.decode()) for name, value in scope["headers"]]
        call = Conversation(headers)
        CURRENT.set(call)

        await endpoint(scope, receive, _Conversing(send, call))

    return serve


class _Conversing:
    """Sends a call's events with the conversation's metadata.

    The suite wants headers of its own apart from trailers, so a status that would be one set of
    headers with them is sent in two.
    """

    def __init__(self, send: Send, call: Conversation) -> None:
        self._send = send
        self._call = call
        self._status: list[Any] | None = None

    async def __call__(self, event: Event) -> object:
        """Sends one event."""
        if event["type"] == _START:
            return await self._start(event)
        if event["type"] == _TRAILERS:
            return await self._send(_with(event, self._call.trailers))
        sent = await self._send(event)
        if self._status is not None and not event.get("more_body"):
            trailers = {"type": _TRAILERS, "headers": self._status}
            return await self._send(_with(trailers, self._call.trailers))
        return sent

    async def _start(self, event: Event) -> object:
        if event.get("trailers"):
            return await self._send(_with(event, self._call.headers))
        if not self._call.headers:
            return await self._send(_with(event, self._call.trailers))
        self._status = [field for field in event["headers"] if field[0].startswith(b"grpc-")]
        head = [field for field in event["headers"] if field not in self._status]
        start = {**event, "headers": head, "trailers": True}
        return await self._send(_with(start, self._call.headers))


def _with(event: Event, added: list[tuple[str, str]]) -> Event:
    fields = [(name.lower().encode(), value.encode()) for name, value in added]
    return {**event, "headers": [*event["headers"], *fields]}


app = AsgiApp(_opened)
