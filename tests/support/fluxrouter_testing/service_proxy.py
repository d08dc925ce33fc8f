"""A Service as kube-proxy makes it: connections are spread over the pods that are in it now."""

import asyncio
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Final

__all__ = ["ServiceProxy", "running_service"]

_CHUNK: Final = 65_536

Address = tuple[str, int]


class ServiceProxy:
    """Takes connections; each goes to the next endpoint. Use `running_service`."""

    def __init__(self) -> None:
        self._endpoints: tuple[Address, ...] = ()
        self._turn = 0
        self.address: Address = ("", 0)

    def set_endpoints(self, *endpoints: Address) -> None:
        """Says which pods are in it; connections that are open stay where they are."""
        self._endpoints = endpoints

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carries one connection; it is refused where no endpoint takes it."""
        try:
            endpoints = self._endpoints
            if not endpoints:
                return
            self._turn += 1
            host, port = endpoints[self._turn % len(endpoints)]
            with suppress(OSError):
                there_reader, there_writer = await asyncio.open_connection(host, port)
                async with asyncio.TaskGroup() as both:
                    both.create_task(_copy(reader, there_writer))
                    both.create_task(_copy(there_reader, writer))
        finally:
            writer.close()


async def _copy(source: asyncio.StreamReader, target: asyncio.StreamWriter) -> None:
    with suppress(OSError):
        while data := await source.read(_CHUNK):
            target.write(data)
            await target.drain()
    target.close()


@contextmanager
def running_service(host: str, port: int = 0) -> Iterator[ServiceProxy]:
    """Runs a service on an address of this machine, in a thread of its own.

    Args:
        host: an address of the loopback range.
        port: 0 takes a free one; the service's `address` tells.
    """
    proxy = ServiceProxy()
    started, loop = threading.Event(), asyncio.new_event_loop()
    stop = asyncio.Event()

    async def serve() -> None:
        server = await asyncio.start_server(proxy.take, host, port)
        proxy.address = (host, server.sockets[0].getsockname()[1])
        started.set()
        await stop.wait()
        server.close()
        others = asyncio.all_tasks() - {asyncio.current_task()}
        for task in others:
            task.cancel()
        await asyncio.gather(*others, return_exceptions=True)

    thread = threading.Thread(target=lambda: loop.run_until_complete(serve()), daemon=True)
    thread.start()
    assert started.wait(10), f"no service on {host}:{port}"
    try:
        yield proxy
    finally:
        loop.call_soon_threadsafe(stop.set)
        thread.join(10)
        loop.close()
