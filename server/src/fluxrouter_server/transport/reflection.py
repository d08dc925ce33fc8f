"""The standard reflection service, so that grpcurl and buf curl need no files of ours.

Tools ask for `grpc.reflection.v1` first and for `v1alpha` after it. The two differ in nothing but
the package's name, so one servicer answers both.
"""

from collections.abc import AsyncIterator, Iterable
from typing import Final, TypeAlias, cast

import grpc
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.reflection import aio as reflection_aio

from fluxrouter_server.transport.drain import Drain
from fluxrouter_server.transport.health import HEALTH_SERVICE

__all__ = ["reflection_handlers"]

_Answers: TypeAlias = AsyncIterator[reflection_pb2.ServerReflectionResponse]
_Context: TypeAlias = grpc.aio.ServicerContext[
    reflection_pb2.ServerReflectionRequest, reflection_pb2.ServerReflectionResponse
]

_V1ALPHA: Final = "grpc.reflection.v1alpha.ServerReflection"
_V1: Final = "grpc.reflection.v1.ServerReflection"


def reflection_handlers(services: Iterable[str], drain: Drain) -> list[grpc.GenericRpcHandler]:
    """Returns both versions of the service as a server takes them.

    Args:
        services: Full names of our services.
        drain: Ends the streams: a tool that keeps one open must not keep the server.
    """
    known = frozenset((*services, HEALTH_SERVICE, _V1ALPHA))
    servicer = reflection_aio.ReflectionServicer(known)

    async def reflect(
        requests: AsyncIterator[reflection_pb2.ServerReflectionRequest],
        context: _Context,
    ) -> _Answers:
        # Their stubs call it a coroutine; it is an asynchronous generator.
        named = _by_service(requests, known)
        answers = cast("_Answers", servicer.ServerReflectionInfo(named, context))
        async for answer in drain.until(answers):
            yield answer

    method = grpc.stream_stream_rpc_method_handler(
        reflect,
        request_deserializer=reflection_pb2.ServerReflectionRequest.FromString,
        response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString,
    )
    return [
        grpc.method_handlers_generic_handler(name, {"ServerReflectionInfo": method})
        for name in (_V1, _V1ALPHA)
    ]


async def _by_service(
    requests: AsyncIterator[reflection_pb2.ServerReflectionRequest], known: frozenset[str]
) -> AsyncIterator[reflection_pb2.ServerReflectionRequest]:
    """Has methods looked for by their services: theirs finds no method, and some tools ask so."""
    async for request in requests:
        service = request.file_containing_symbol.rpartition(".")[0]
        if service in known:
            request.file_containing_symbol = service
        yield request
