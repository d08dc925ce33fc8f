"""The application inside an Envoy worker: the hot services over the same core as everything else.

Envoy imports `app` by its name. What the server is told comes from a file that the process which
started Envoy wrote for its workers; its name is in the environment.
"""

import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

from fluxrouter_server.api.methods import HOT_SERVICES, method_table
from fluxrouter_server.bootstrap.core import Core, open_core
from fluxrouter_server.bootstrap.garbage import spare_the_collector
from fluxrouter_server.bootstrap.use_cases import build_apis
from fluxrouter_server.bootstrap.worker_orders import ORDERS_VARIABLE, read_orders
from fluxrouter_server.telemetry.logs import set_up_logs
from fluxrouter_server.transport.asgi_app import AsgiApp, Endpoints, call_endpoints
from fluxrouter_server.transport.envoy_link import worker_link

__all__ = ["app"]


@asynccontextmanager
async def _opened() -> AsyncIterator[Endpoints]:
    orders = read_orders(Path(os.environ[ORDERS_VARIABLE]))
    settings = orders.settings
    set_up_logs(settings.log_format, settings.log_level)
    async with open_core(settings, sweeps=False) as core:
        methods = method_table(build_apis(core.use_cases, core.stores))
        endpoints = call_endpoints(
            (method for method in methods if method.service in HOT_SERVICES),
            core.pipeline,
            max_message_bytes=settings.max_message_bytes,
        )
        async with worker_link(orders.link_socket, _answers(core)):
            spare_the_collector()
            yield endpoints


def _answers(core: Core) -> dict[str, Callable[[], bytes]]:
    def drain() -> bytes:
        core.drain.begin()
        return b"draining\n"

    return {"metrics": core.metrics.exposition, "drain": drain}


app = AsgiApp(_opened)
