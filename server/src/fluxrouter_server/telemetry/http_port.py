"""The HTTP port for probes and scrapes: `/healthz`, `/readyz` and `/metrics`, nothing else.

Three small answers do not justify a web framework, and prometheus_client's own
server runs in a thread, where it would read counts while the event loop changes them.
"""

import asyncio
import contextlib
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Final

from prometheus_client import CONTENT_TYPE_LATEST

__all__ = ["HttpPort"]

_HEAD_TIMEOUT_SECONDS: Final = 5.0
_MAX_HEAD_BYTES: Final = 16 * 1024
_TEXT: Final = "text/plain; charset=utf-8"


class HttpPort:
    """Listens from `start` to `stop`.

    Args:
        exposition: Returns the metrics.
        not_ready: Returns why no call should be sent here, or None.
    """

    def __init__(
        self, *, exposition: Callable[[], Awaitable[bytes]], not_ready: Callable[[], str | None]
    ) -> None:
        self._exposition = exposition
        self._not_ready = not_ready
        self._server: asyncio.Server | None = None

    async def start(self, host: str, port: int) -> int:
        """Listens, and returns the port: the one that was free where 0 is asked for.

        Raises:
            OSError: the address cannot be listened on.
        """
        self._server = await asyncio.start_server(self._serve, host, port, limit=_MAX_HEAD_BYTES)
        bound: int = self._server.sockets[0].getsockname()[1]
        return bound

    async def stop(self) -> None:
        """Stops listening; an answer that is under way ends by itself."""
        if self._server is not None:
            self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_HEAD_TIMEOUT_SECONDS):
                head = await reader.readuntil(b"\r\n\r\n")
                writer.write(await self._answer(head))
                await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass  # whoever does not ask properly, or does not listen, needs no answer
        finally:
            writer.close()
            with contextlib.suppress(OSError):
                await writer.wait_closed()

    async def _answer(self, head: bytes) -> bytes:
        method, _, rest = head.partition(b" ")
        path = rest.partition(b" ")[0].partition(b"?")[0]
        status, kind, body = await self._content(path)
        if method not in {b"GET", b"HEAD"}:
            status, kind, body = HTTPStatus.METHOD_NOT_ALLOWED, _TEXT, b"use GET\n"
        lines = (
            f"HTTP/1.1 {status.value} {status.phrase}\r\ncontent-type: {kind}\r\n"
            f"content-length: {len(body)}\r\nconnection: close\r\n\r\n"
        )
        return lines.encode("ascii") + (b"" if method == b"HEAD" else body)

    async def _content(self, path: bytes) -> tuple[HTTPStatus, str, bytes]:
        if path == b"/metrics":
            return HTTPStatus.OK, CONTENT_TYPE_LATEST, await self._exposition()
        if path == b"/healthz":
            return HTTPStatus.OK, _TEXT, b"ok\n"
        if path == b"/readyz":
            why_not = self._not_ready()
            if why_not is None:
                return HTTPStatus.OK, _TEXT, b"ok\n"
            return HTTPStatus.SERVICE_UNAVAILABLE, _TEXT, f"{why_not}\n".encode()
        return HTTPStatus.NOT_FOUND, _TEXT, b"there are /healthz, /readyz and /metrics\n"
