"""The standard health service: may calls be sent here?

SERVING while the store can be decided on and no drain has begun, for the server as a whole ('') and
for each service. Written here, although grpcio has one, because a `Watch` must end with the drain:
theirs would keep a server that has nothing left to do alive until its grace is over.
"""

from collections.abc import AsyncIterator, Callable, Iterable
from typing import Final, TypeAlias

import grpc
from grpc_health.v1 import health_pb2

from fluxrouter_server.transport.drain import Drain

__all__ = ["HEALTH_SERVICE", "Health"]

HEALTH_SERVICE: Final = "grpc.health.v1.Health"
#: How soon a `Watch` hears of a store that is gone.
_LOOK_SECONDS: Final = 0.25

_Status = health_pb2.HealthCheckResponse
_Context: TypeAlias = grpc.aio.ServicerContext[
    health_pb2.HealthCheckRequest, health_pb2.HealthCheckResponse
]


class Health:
    """Tells whether calls may be sent here.

    Args:
        services: Full names of the services it speaks for.
        store_problem: Returns why no decision can be had from the store, or None.
        drain: The server's end.
    """

    def __init__(
        self, services: Iterable[str], *, store_problem: Callable[[], str | None], drain: Drain
    ) -> None:
        self._services = frozenset(services) | {"", HEALTH_SERVICE}
        self._store_problem = store_problem
        self._drain = drain

    def problem(self) -> str | None:
        """Returns why no call should be sent here, or None."""
        return "the server is draining" if self._drain.has_begun else self._store_problem()

    def handler(self) -> grpc.GenericRpcHandler:
        """Returns the service as a server takes it."""
        return grpc.method_handlers_generic_handler(
            HEALTH_SERVICE,
            {
                "Check": grpc.unary_unary_rpc_method_handler(
                    self._check,
                    request_deserializer=health_pb2.HealthCheckRequest.FromString,
                    response_serializer=_Status.SerializeToString,
                ),
                "Watch": grpc.unary_stream_rpc_method_handler(
                    self._watch,
                    request_deserializer=health_pb2.HealthCheckRequest.FromString,
                    response_serializer=_Status.SerializeToString,
                ),
            },
        )

    async def _check(
        self, request: health_pb2.HealthCheckRequest, context: _Context
    ) -> health_pb2.HealthCheckResponse:
        if request.service not in self._services:
            await context.abort(grpc.StatusCode.NOT_FOUND, "no such service is served here")
        return self._status()

    async def _watch(
        self, request: health_pb2.HealthCheckRequest, _: _Context
    ) -> AsyncIterator[health_pb2.HealthCheckResponse]:
        if request.service not in self._services:
            yield _Status(status=_Status.SERVICE_UNKNOWN)
            await self._drain.wait()  # as the protocol has it: the service may come to be known
            return
        sent = None
        while True:
            is_last, status = self._drain.has_begun, self._status()
            if status != sent:
                yield status
            if is_last:
                return
            sent = status
            await self._drain.wait(_LOOK_SECONDS)

    def _status(self) -> health_pb2.HealthCheckResponse:
        is_serving = self.problem() is None
        return _Status(status=_Status.SERVING if is_serving else _Status.NOT_SERVING)
