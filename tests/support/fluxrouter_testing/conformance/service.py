"""The suite's service, over any of our transports; its contract says what each method does.

https://github.com/connectrpc/conformance, proto/connectrpc/conformance/v1/service.proto. The code
of its messages is generated when the suite is run, so nothing here has their types.
"""

import asyncio
from collections.abc import AsyncIterator, Iterable
from typing import Any

from connectrpc.conformance.v1 import (  # type: ignore[import-not-found]
    service_pb2 as pb,
)
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import status_pb2

from fluxrouter_server.api.methods import (
    Access,
    AnyMethod,
    DuplexMethod,
    StreamMethod,
    UnaryMethod,
)
from fluxrouter_server.api.status_details import Failure
from fluxrouter_server.transport.call_entry import Arrival
from fluxrouter_testing.conformance.conversation import CURRENT, Conversation

__all__ = ["SERVICE", "SuitePipeline", "methods"]

SERVICE = "connectrpc.conformance.v1.ConformanceService"
_MILLISECONDS = 1000
_NOBODY = Access(frozenset())


def methods() -> list[AnyMethod]:
    """Returns the table of its methods; a stream of messages with one answer is a duplex one."""
    return [
        UnaryMethod(SERVICE, "Unary", pb.UnaryRequest, _NOBODY, _unused),
        UnaryMethod(SERVICE, "IdempotentUnary", pb.IdempotentUnaryRequest, _NOBODY, _unused),
        StreamMethod(SERVICE, "ServerStream", pb.ServerStreamRequest, _NOBODY, _unused),
        DuplexMethod(SERVICE, "ClientStream", pb.ClientStreamRequest, _NOBODY, _unused),
        DuplexMethod(SERVICE, "BidiStream", pb.BidiStreamRequest, _NOBODY, _unused),
    ]


def _unused(*_: object) -> Any:  # noqa: ANN401 - never called: `SuitePipeline` serves
    raise NotImplementedError


class SuitePipeline:
    """In place of `CallPipeline`: binds the suite's methods, without credentials and metrics."""

    def bind_unary(self, method: UnaryMethod[Any, Any]) -> Any:  # noqa: ANN401 - as `UnaryCall`
        """Returns what serves one message."""

        async def serve(data: bytes, arrival: Arrival) -> bytes | Failure:
            call = _call(arrival)
            request = method.request.FromString(data)
            return await _one_answer(call, [request], _ANSWERS[method.name])

        return serve

    def bind_stream(self, method: StreamMethod[Any, Any]) -> Any:  # noqa: ANN401 - as `StreamCall`
        """Returns what serves one message with a stream."""

        async def serve(data: bytes, arrival: Arrival) -> AsyncIterator[bytes | Failure]:
            call = _call(arrival)
            request = method.request.FromString(data)
            _announce(call, request.response_definition)
            async for item in _flush(call, [request], _ANSWERS[method.name], start=0):
                yield item

        return serve

    def bind_duplex(self, method: DuplexMethod[Any, Any]) -> Any:  # noqa: ANN401 - as `DuplexCall`
        """Returns what serves a stream of messages."""
        serve = _client_stream if method.name == "ClientStream" else _bidi_stream

        def served(messages: AsyncIterator[bytes], arrival: Arrival) -> Any:  # noqa: ANN401
            return serve(messages, _call(arrival))

        return served


_ANSWERS = {
    "Unary": pb.UnaryResponse,
    "IdempotentUnary": pb.IdempotentUnaryResponse,
    "ServerStream": pb.ServerStreamResponse,
    "ClientStream": pb.ClientStreamResponse,
    "BidiStream": pb.BidiStreamResponse,
}


def _call(arrival: Arrival) -> Conversation:
    call = CURRENT.get()
    call.timeout_seconds = arrival.time_left_seconds
    return call


async def _client_stream(
    messages: AsyncIterator[bytes], call: Conversation
) -> AsyncIterator[bytes | Failure]:
    requests = [pb.ClientStreamRequest.FromString(data) async for data in messages]
    yield await _one_answer(call, requests, pb.ClientStreamResponse)


async def _bidi_stream(
    messages: AsyncIterator[bytes], call: Conversation
) -> AsyncIterator[bytes | Failure]:
    definition: Any = pb.StreamResponseDefinition()
    requests: list[Any] = []
    sent, is_full = 0, False
    async for data in messages:
        request = pb.BidiStreamRequest.FromString(data)
        if not requests and not sent:
            definition, is_full = request.response_definition, request.full_duplex
            _announce(call, definition)
        requests.append(request)
        if not is_full:
            continue
        if sent >= len(definition.response_data):
            break
        await asyncio.sleep(definition.response_delay_ms / _MILLISECONDS)
        info = _info(call, requests) if sent == 0 else _requests_only(requests)
        payload = pb.ConformancePayload(data=definition.response_data[sent], request_info=info)
        yield pb.BidiStreamResponse(payload=payload).SerializeToString()
        sent, requests = sent + 1, []
    async for item in _flush(call, requests, pb.BidiStreamResponse, start=sent, given=definition):
        yield item


async def _one_answer(call: Conversation, requests: list[Any], answer: Any) -> bytes | Failure:  # noqa: ANN401 - a class of messages
    definition = requests[0].response_definition if requests else pb.UnaryResponseDefinition()
    _announce(call, definition)
    await asyncio.sleep(definition.response_delay_ms / _MILLISECONDS)
    info = _info(call, requests)
    if definition.HasField("error"):
        return _failure(definition.error, info)
    payload = pb.ConformancePayload(data=definition.response_data, request_info=info)
    data: bytes = answer(payload=payload).SerializeToString()
    return data


async def _flush(
    call: Conversation,
    requests: list[Any],
    answer: Any,  # noqa: ANN401 - a class of messages
    *,
    start: int,
    given: Any = None,  # noqa: ANN401 - a definition
) -> AsyncIterator[bytes | Failure]:
    """Yields the answers from one on, and the error that is asked for after them."""
    definition = requests[0].response_definition if given is None else given
    for number, data in enumerate(definition.response_data[start:], start=start):
        await asyncio.sleep(definition.response_delay_ms / _MILLISECONDS)
        info = _info(call, requests) if number == 0 else None
        payload = pb.ConformancePayload(data=data, request_info=info)
        yield answer(payload=payload).SerializeToString()
    if definition.HasField("error"):
        is_first = not definition.response_data
        yield _failure(definition.error, _info(call, requests) if is_first else None)


def _announce(call: Conversation, definition: Any) -> None:  # noqa: ANN401 - of either kind
    for target, given in (
        (call.headers, definition.response_headers),
        (call.trailers, definition.response_trailers),
    ):
        target.extend((header.name, value) for header in given for value in header.value)


def _info(call: Conversation, requests: Iterable[Any]) -> Any:  # noqa: ANN401 - RequestInfo
    info = _requests_only(requests)
    values: dict[str, list[str]] = {}
    for name, value in call.request_headers:
        values.setdefault(name, []).append(value)
    for name, found in values.items():
        info.request_headers.add(name=name, value=found)
    if call.timeout_seconds is not None:
        info.timeout_ms = int(call.timeout_seconds * _MILLISECONDS)
    return info


def _requests_only(requests: Iterable[Any]) -> Any:  # noqa: ANN401 - RequestInfo
    info = pb.ConformancePayload.RequestInfo()
    for request in requests:
        info.requests.add().Pack(request)
    return info


def _failure(error: Any, info: Any) -> Failure:  # noqa: ANN401 - Error and RequestInfo
    details = list(error.details)
    if info is not None:
        packed = AnyMessage()
        packed.Pack(info)
        details.append(packed)
    status = status_pb2.Status(code=error.code, message=error.message, details=details)
    return Failure(error.code, error.message, status.SerializeToString())
