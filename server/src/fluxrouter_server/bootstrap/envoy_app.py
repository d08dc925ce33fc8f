"""The application inside an Envoy worker: the hot services over the same core as everything else.

Envoy imports `app` by its name. What the server is told comes from a file that the process which
started Envoy wrote for its workers; its name is in the environment.
"""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

from fluxrouter_server.bootstrap.core import Core, open_core
from fluxrouter_server.bootstrap.edge import open_edge
from fluxrouter_server.bootstrap.garbage import spare_the_collector
from fluxrouter_server.bootstrap.methods import HOT_SERVICES, served_methods
from fluxrouter_server.bootstrap.worker_orders import ORDERS_VARIABLE, read_orders
from fluxrouter_server.edge.app import EDGE_PREFIXES, EdgeApp
from fluxrouter_server.edge.envoy_calls import EnvoyCalls
from fluxrouter_server.telemetry.logs import set_up_logs
from fluxrouter_server.transport.asgi_app import (
    ELSEWHERE,
    AsgiApp,
    Endpoints,
    call_endpoints,
    unknown_method,
)
from fluxrouter_server.transport.asgi_types import Endpoint, Receive, Scope, Send
from fluxrouter_server.transport.envoy_link import worker_link

__all__ = ["app"]


@asynccontextmanager
async def _opened() -> AsyncIterator[Endpoints]:
    orders = read_orders(Path(os.environ[ORDERS_VARIABLE]))
    settings = orders.settings
    set_up_logs(settings.log_format, settings.log_level)
    async with open_core(settings, sweeps=False) as core:
        methods = served_methods(core.use_cases, core.stores)
        endpoints = call_endpoints(
            (method for method in methods if method.service in HOT_SERVICES),
            core.pipeline,
            max_message_bytes=settings.max_message_bytes,
        )
        async with AsyncExitStack() as stack:
            if settings.edge:
                edge = await stack.enter_async_context(
                    open_edge(
                        core,
                        EnvoyCalls(),
                        credentials=settings.upstream_credentials,
                        simulator_url=orders.simulator_url,
                    )
                )
                endpoints[ELSEWHERE] = _edge_or_unknown(edge)
            await stack.enter_async_context(worker_link(orders.link_socket, _answers(core)))
            spare_the_collector()
            yield endpoints


def _edge_or_unknown(edge: EdgeApp) -> Endpoint:
    async def serve(scope: Scope, receive: Receive, send: Send) -> None:
        is_edge = scope["path"].startswith(EDGE_PREFIXES)
        await (edge if is_edge else unknown_method)(scope, receive, send)

    return serve


def _answers(core: Core) -> dict[str, Callable[[], bytes]]:
    def drain() -> bytes:
        core.drain.begin()
        return b"draining\n"

    return {"metrics": core.metrics.exposition, "drain": drain}


app = AsgiApp(_opened)
