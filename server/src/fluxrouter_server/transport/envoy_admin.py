"""Talks to Envoy's own interface on its unix socket: is it ready, drain, quit.

https://www.envoyproxy.io/docs/envoy/latest/operations/admin has the paths.
"""

import asyncio
from pathlib import Path
from typing import Final

__all__ = ["AdminError", "EnvoyAdmin"]

_TIMEOUT_SECONDS: Final = 5.0
_MAX_ANSWER_BYTES: Final = 4 * 1024 * 1024
_ACTIVE_CALLS: Final = "http.grpc.downstream_rq_active"
_ACTIVE_CONNECTIONS: Final = "http.grpc.downstream_cx_active"


class AdminError(OSError):
    """Envoy did not answer, or answered something else than yes."""


class EnvoyAdmin:
    """One Envoy's interface.

    Args:
        socket: Where it listens.
    """

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    async def is_ready(self) -> bool:
        """Whether it takes calls."""
        try:
            await self._ask("GET", "/ready")
        except AdminError:
            return False
        return True

    async def send_callers_away(self) -> None:
        """Ends each connection after the answers that are under way, with GOAWAY.

        New connections are taken still, and sent away with their first answer.

        Raises:
            AdminError: it does not answer.
        """
        await self._ask("POST", "/healthcheck/fail")

    async def stop_listening(self) -> None:
        """Leaves new connections to others on the port; raises AdminError."""
        await self._ask("POST", "/drain_listeners")

    async def active(self) -> tuple[int, int]:
        """Returns how many calls and connections there are; raises AdminError."""
        text = await self._ask("GET", f"/stats?filter=^({_ACTIVE_CALLS}|{_ACTIVE_CONNECTIONS})$")
        counts = dict(line.split(": ", 1) for line in text.splitlines() if ": " in line)
        return int(counts.get(_ACTIVE_CALLS, 0)), int(counts.get(_ACTIVE_CONNECTIONS, 0))

    async def quit(self) -> None:
        """Ends it at once; raises AdminError."""
        await self._ask("POST", "/quitquitquit")

    async def _ask(self, method: str, path: str) -> str:
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                return await self._exchange(method, path)
        except (OSError, TimeoutError, asyncio.IncompleteReadError) as error:
            raise AdminError(f"Envoy's {path} at {self._socket}: {error!r}") from error

    async def _exchange(self, method: str, path: str) -> str:
        reader, writer = await asyncio.open_unix_connection(
            str(self._socket), limit=_MAX_ANSWER_BYTES
        )
        try:
            head = f"{method} {path} HTTP/1.1\r\nhost: envoy\r\nconnection: close\r\n"
            writer.write(f"{head}content-length: 0\r\n\r\n".encode("ascii"))
            answer = await reader.read(_MAX_ANSWER_BYTES)
            while piece := await reader.read(_MAX_ANSWER_BYTES):
                answer += piece
        finally:
            writer.close()
        status, _, rest = answer.partition(b"\r\n")
        if b" 200 " not in status + b" ":
            raise AdminError(f"answered {status.decode('ascii', 'replace')}")
        return rest.partition(b"\r\n\r\n")[2].decode("utf-8", "replace")
