"""What the suite starts: reads what to serve from standard input, says where, and serves.

Run as `python -m fluxrouter_testing.conformance.program TRANSPORT`.
"""

import asyncio
import signal
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any, cast

import grpc
from connectrpc.conformance.v1 import (  # type: ignore[import-not-found]
    server_compat_pb2,
)
from grpc import aio

from fluxrouter_server.telemetry.logs import LogFormat, LogLevel, set_up_logs
from fluxrouter_server.transport.call_pipeline import CallPipeline
from fluxrouter_server.transport.envoy_config import EnvoyPlan
from fluxrouter_server.transport.envoy_programs import EnvoyPrograms, find_envoy
from fluxrouter_server.transport.envoy_worker import EnvoyWorker, WorkerFiles
from fluxrouter_server.transport.grpc_aio import GrpcOptions, build_server, call_handlers, listen
from fluxrouter_server.transport.reserved_port import reserved_port
from fluxrouter_testing.conformance.conversation import CURRENT, Conversation
from fluxrouter_testing.conformance.service import SERVICE, SuitePipeline, methods

_HOST = "127.0.0.1"
_LENGTH_BYTES = 4
_MAX_MESSAGE_BYTES = 200 * 1024


async def main(transport: str) -> None:
    """Serves until SIGTERM."""
    set_up_logs(LogFormat.JSON, LogLevel.WARNING)  # to standard error; the answer is to the output
    ended = asyncio.Event()
    asyncio.get_running_loop().add_signal_handler(signal.SIGTERM, ended.set)
    length = int.from_bytes(sys.stdin.buffer.read(_LENGTH_BYTES), "big")
    server_compat_pb2.ServerCompatRequest.FromString(sys.stdin.buffer.read(length))
    serving = _on_envoy if transport == "envoy" else _on_grpc_aio
    async with serving() as port:
        answer = server_compat_pb2.ServerCompatResponse(host=_HOST, port=port)
        data = answer.SerializeToString()
        sys.stdout.buffer.write(len(data).to_bytes(_LENGTH_BYTES, "big") + data)
        sys.stdout.buffer.flush()
        await ended.wait()


@asynccontextmanager
async def _on_envoy() -> AsyncIterator[int]:
    programs = find_envoy()
    assert isinstance(programs, EnvoyPrograms), programs
    with (
        tempfile.TemporaryDirectory(prefix="fr-") as folder,
        reserved_port(_HOST, 0, may_share=False) as port,
    ):
        files, rest = WorkerFiles(Path(folder), 0), Path(folder) / "rest.sock"
        others = build_server([], GrpcOptions(_MAX_MESSAGE_BYTES))
        listen(others, f"unix:{rest}", None)
        await others.start()
        plan = EnvoyPlan(
            host=port.host,
            port=port.port,
            hot_prefixes=[f"/{SERVICE}/", "/nothing/"],  # Envoy wants two at least
            module=programs.module,
            app="fluxrouter_testing.conformance.envoy_app:app",
            rest_socket=rest,
            admin_socket=files.admin_socket,
        )
        worker = EnvoyWorker(programs, plan, files, {})
        await worker.start()
        try:
            yield port.port
        finally:
            await worker.stop()
            await others.stop(None)


@asynccontextmanager
async def _on_grpc_aio() -> AsyncIterator[int]:
    handlers = call_handlers(methods(), cast("CallPipeline", SuitePipeline()))
    server = build_server(
        [_Conversing(handler) for handler in handlers], GrpcOptions(_MAX_MESSAGE_BYTES // 4)
    )
    port = listen(server, f"{_HOST}:0", None)
    await server.start()
    try:
        yield port
    finally:
        await server.stop(None)


class _Conversing(grpc.GenericRpcHandler):
    """Wraps a service: metadata in and out is the conversation's."""

    def __init__(self, wrapped: grpc.GenericRpcHandler) -> None:
        self._wrapped = wrapped

    def service(self, details: grpc.HandlerCallDetails) -> Any:  # noqa: ANN401 - a method's handler
        handler: Any = self._wrapped.service(details)
        if handler is None:
            return None
        unary, stream = handler.unary_unary, handler.unary_stream or handler.stream_stream
        if unary is not None:

            async def answer(data: Any, context: Any) -> Any:  # noqa: ANN401 - see grpc.aio
                wrapped = _conversing(context)
                found = await unary(data, wrapped)
                await wrapped.send_headers()
                return found

            return grpc.unary_unary_rpc_method_handler(answer)

        async def answers(data: Any, context: Any) -> None:  # noqa: ANN401 - see grpc.aio
            wrapped = _conversing(context)
            await stream(data, wrapped)
            await wrapped.send_headers()

        if handler.request_streaming:
            return grpc.stream_stream_rpc_method_handler(answers)
        return grpc.unary_stream_rpc_method_handler(answers)


def _conversing(context: Any) -> "_Context":  # noqa: ANN401 - see grpc.aio
    headers = [
        (key, value if isinstance(value, str) else value.decode("latin-1"))
        for key, value in context.invocation_metadata()
    ]
    call = Conversation(headers)
    CURRENT.set(call)
    return _Context(context, call)


class _Context:
    """A servicer's context that sends the conversation's metadata along."""

    def __init__(self, context: Any, call: Conversation) -> None:  # noqa: ANN401 - see grpc.aio
        self._context = context
        self._call = call

    def invocation_metadata(self) -> Any:  # noqa: ANN401 - see grpc.aio
        return self._context.invocation_metadata()

    def time_remaining(self) -> float | None:
        left: float | None = self._context.time_remaining()
        return left

    async def write(self, answer: bytes) -> None:
        await self.send_headers()
        await self._context.write(answer)

    async def abort(self, code: Any, details: str, trailing_metadata: Any) -> None:  # noqa: ANN401
        await self.send_headers()
        trailers = (*_lower(self._call.trailers), *trailing_metadata)
        await self._context.abort(code, details, trailing_metadata=trailers)

    async def send_headers(self) -> None:
        """Sends what goes along with the answer's beginning, and says what goes with its end."""
        if self._call.headers:
            await self._context.send_initial_metadata(_lower(self._call.headers))
            self._call.headers = []
        self._context.set_trailing_metadata(_lower(self._call.trailers))


def _lower(fields: list[tuple[str, str]]) -> tuple[tuple[str, str], ...]:
    return tuple((name.lower(), value) for name, value in fields)


if __name__ == "__main__":
    aio.init_grpc_aio()
    asyncio.run(main(sys.argv[1]))
