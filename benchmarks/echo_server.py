"""The yardstick: a bare grpc.aio server that answers each call with fixed bytes.

Run as a process: `echo_server.py ANSWER_BYTES`; prints its port. It parses nothing and decides
nothing, so what a Route costs above it is what FluxRouter costs.
"""

import sys
from collections.abc import Awaitable, Callable

import grpc
import uvloop

METHOD = "/benchmark.Echo/Call"


def _handlers(answer: bytes) -> grpc.GenericRpcHandler:
    async def call(_request: bytes, _context: object) -> bytes:
        return answer

    handler: Callable[[bytes, object], Awaitable[bytes]] = call
    return grpc.method_handlers_generic_handler(
        "benchmark.Echo", {"Call": grpc.unary_unary_rpc_method_handler(handler)}
    )


async def _serve(answer_bytes: int) -> None:
    server = grpc.aio.server()
    server.add_generic_rpc_handlers((_handlers(b"x" * answer_bytes),))
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    print(port, flush=True)
    await server.wait_for_termination()


if __name__ == "__main__":
    uvloop.run(_serve(int(sys.argv[1])))
