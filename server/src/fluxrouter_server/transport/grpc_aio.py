"""Carries calls over grpc.aio: the transport on which everything works."""

from collections.abc import AsyncIterator, Iterable, Mapping
from dataclasses import dataclass
from typing import Final, NoReturn, TypeAlias, cast

import grpc
from grpc import aio

from fluxrouter_server.api.methods import AnyMethod, DuplexMethod, StreamMethod, UnaryMethod
from fluxrouter_server.api.status_details import Failure
from fluxrouter_server.transport.call_entry import Arrival
from fluxrouter_server.transport.call_pipeline import CallPipeline, StreamCall, UnaryCall
from fluxrouter_server.transport.duplex_call import DuplexCall

__all__ = ["GrpcOptions", "ListenError", "build_server", "call_handlers", "listen"]

# Messages are read and written by the pipeline, so grpc gets no (de)serializers: what fails in them
# could only become an INTERNAL without a name.
_Handler: TypeAlias = "grpc.RpcMethodHandler[bytes, bytes]"
_Context: TypeAlias = aio.ServicerContext[bytes, bytes]

_DETAILS_TRAILER: Final = "grpc-status-details-bin"
_STATUS_CODES: Final[Mapping[int, grpc.StatusCode]] = {
    code.value[0]: code for code in grpc.StatusCode
}
#: A message that is too large is read all the same, up to so many times the limit, because the
#: answer can then name the field. Beyond it grpc itself ends the call, with RESOURCE_EXHAUSTED.
_READ_BEYOND_LIMIT: Final = 4
#: Answers are ours and bounded by what they list; a page of 1,000 resources must get through.
_NO_LIMIT: Final = -1


class ListenError(OSError):
    """The address cannot be listened on; the message says which and what to do."""


@dataclass(frozen=True, slots=True)
class GrpcOptions:
    """How the server listens.

    Attributes:
        max_message_bytes: The largest message that is read.
        reuse_port: Whether other processes may listen on the same port and share its calls.
        keepalive_seconds: After so long without a sign of life a client is asked for one, and
            dropped when none comes; it finds half-open connections.
    """

    max_message_bytes: int
    reuse_port: bool = False
    keepalive_seconds: int = 60

    def channel_arguments(self) -> list[tuple[str, int]]:
        """Returns them as grpc's core takes them."""
        return [
            # On by default in grpc, where a second server on the port would silently share it.
            ("grpc.so_reuseport", int(self.reuse_port)),
            ("grpc.max_receive_message_length", self.max_message_bytes * _READ_BEYOND_LIMIT),
            ("grpc.max_send_message_length", _NO_LIMIT),
            ("grpc.keepalive_time_ms", self.keepalive_seconds * 1000),
            ("grpc.keepalive_timeout_ms", 20_000),
            ("grpc.keepalive_permit_without_calls", 1),
            # A client may ask for signs of life as often as Go's and Java's do at their quickest.
            ("grpc.http2.min_recv_ping_interval_without_data_ms", 10_000),
        ]


def build_server(handlers: Iterable[grpc.GenericRpcHandler], options: GrpcOptions) -> aio.Server:
    """Returns a server that is not started yet."""
    server = aio.server(options=options.channel_arguments())
    server.add_generic_rpc_handlers(tuple(handlers))
    return server


def listen(server: aio.Server, address: str, credentials: grpc.ServerCredentials | None) -> int:
    """Adds a port before the start, and returns it: the free one where 0 is asked for.

    Raises:
        ListenError: somebody else listens there, or the address is not this machine's.
    """
    try:
        if credentials is None:
            return server.add_insecure_port(address)
        return server.add_secure_port(address, credentials)
    except RuntimeError as error:
        raise ListenError(
            f"cannot listen on {address}: another process may do so already, or the address is "
            "not this machine's; choose another one with --listen"
        ) from error


def call_handlers(
    methods: Iterable[AnyMethod], pipeline: CallPipeline
) -> list[grpc.GenericRpcHandler]:
    """Returns the methods, service by service, as a server takes them."""
    services: dict[str, dict[str, _Handler]] = {}
    for method in methods:
        handlers = services.setdefault(method.service, {})
        match method:
            case UnaryMethod():
                handlers[method.name] = _unary_handler(pipeline.bind_unary(method))
            case StreamMethod():
                handlers[method.name] = _stream_handler(pipeline.bind_stream(method))
            case DuplexMethod():
                handlers[method.name] = _duplex_handler(pipeline.bind_duplex(method))
    return [
        grpc.method_handlers_generic_handler(service, handlers)
        for service, handlers in services.items()
    ]


def _unary_handler(call: UnaryCall) -> _Handler:
    async def handle(data: bytes, context: _Context) -> bytes:
        answer = await call(data, _arrival(context))
        if isinstance(answer, Failure):
            await _abort(context, answer)
        return answer

    return grpc.unary_unary_rpc_method_handler(handle)


def _stream_handler(call: StreamCall) -> _Handler:
    async def handle(data: bytes, context: _Context) -> None:
        async for answer in call(data, _arrival(context)):
            if isinstance(answer, Failure):
                await _abort(context, answer)
            await context.write(answer)

    return grpc.unary_stream_rpc_method_handler(handle)


def _duplex_handler(call: DuplexCall) -> _Handler:
    async def handle(messages: AsyncIterator[bytes], context: _Context) -> None:
        async for answer in call(messages, _arrival(context)):
            if isinstance(answer, Failure):
                await _abort(context, answer)
            await context.write(answer)

    return grpc.stream_stream_rpc_method_handler(handle)


def _arrival(context: _Context) -> Arrival:
    authorization = request_id = None
    for key, value in context.invocation_metadata() or ():
        if key == "authorization":
            authorization = cast("str", value)  # bytes come under keys in `-bin` only
        elif key == "x-request-id":
            request_id = cast("str", value)
    return Arrival(authorization, request_id, context.time_remaining())


async def _abort(context: _Context, failure: Failure) -> NoReturn:
    await context.abort(
        _STATUS_CODES[failure.code],
        failure.message,
        trailing_metadata=((_DETAILS_TRAILER, failure.status),),
    )
