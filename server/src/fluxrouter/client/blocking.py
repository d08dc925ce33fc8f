"""The client for code without an event loop: the other one, on a thread of its own.

Any number of threads may use one `Client`; what they ask for at the same time travels together.
"""

import asyncio
import threading
from collections.abc import Coroutine, Iterator
from contextlib import contextmanager
from typing import Any, Self, TypeVar, Unpack

from fluxrouter.client.async_client import AsyncClient
from fluxrouter.client.holds import Hold, HoldFields
from fluxrouter.client.options import Options
from fluxrouter.v1 import metering_pb2, router_pb2

__all__ = ["Client"]

T = TypeVar("T")


class Client:
    """As `AsyncClient`, in the same words.

    Args:
        address: `host:port` of the server.
        options: How it behaves.
        credential: As in `Options`, for who needs nothing else.
    """

    def __init__(
        self, address: str, options: Options | None = None, *, credential: str = ""
    ) -> None:
        self._client = AsyncClient(address, options, credential=credential)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="fluxrouter-client", daemon=True
        )

    def __enter__(self) -> Self:
        """Starts the thread; the connection is made with the first call."""
        self._thread.start()
        self._run(self._client.__aenter__())
        return self

    def __exit__(self, *exc_info: object) -> None:
        """Ends the connection and the thread."""
        self._run(self._client.__aexit__())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def route(self, request: router_pb2.RouteRequest) -> router_pb2.RouteResponse:
        """See `AsyncClient.route`."""
        return self._run(self._client.route(request))

    def settle(self, hold_id: str, usage: metering_pb2.Usage) -> metering_pb2.Receipt:
        """See `AsyncClient.settle`."""
        return self._run(self._client.settle(hold_id, usage))

    def release(self, hold_id: str) -> metering_pb2.Receipt:
        """See `AsyncClient.release`."""
        return self._run(self._client.release(hold_id))

    @contextmanager
    def hold(self, **fields: Unpack[HoldFields]) -> Iterator[Hold]:
        """See `AsyncClient.hold`."""
        opened = self._client.hold(**fields)
        held = self._run(opened.__aenter__())
        try:
            yield held
        finally:
            # Whether the block raised makes no difference to the hold.
            self._run(opened.__aexit__(None, None, None))

    def _run(self, coroutine: Coroutine[Any, Any, T]) -> T:
        return asyncio.run_coroutine_threadsafe(coroutine, self._loop).result()
