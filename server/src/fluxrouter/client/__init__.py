"""The client of FluxRouter for services in Python: route a request, call the model, be billed.

::

    async with AsyncClient("127.0.0.1:50051", credential=secret) as flux:
        async with flux.hold(account="acme", model="flux-auto", text=prompt) as hold:
            answer = await call_model(hold.model, max_tokens=hold.max_output_tokens)
            hold.used(input_tokens=answer.input_tokens, output_tokens=answer.output_tokens)

A hold is settled with what was used, or released when nothing was, whatever happens in between.
`Client` is the same for code without an event loop. Concurrent calls travel together.
"""

from fluxrouter.client.async_client import AsyncClient
from fluxrouter.client.blocking import Client
from fluxrouter.client.errors import (
    AlreadyRouted,
    CapReached,
    Denied,
    FluxRouterError,
    RateLimited,
    Unavailable,
)
from fluxrouter.client.holds import Hold
from fluxrouter.client.options import Options

__all__ = [
    "AlreadyRouted",
    "AsyncClient",
    "CapReached",
    "Client",
    "Denied",
    "FluxRouterError",
    "Hold",
    "Options",
    "RateLimited",
    "Unavailable",
]
