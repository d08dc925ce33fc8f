"""How the process that started an Envoy worker talks to the Python inside it.

One line asks, one answer ends the connection: `metrics` returns the worker's counts as Prometheus
reads them, `drain` begins the end of its streams. The socket lies in a directory that nobody else
may enter. SIGTERM cannot be used, because Envoy takes it and stops at once.
"""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

__all__ = ["ask_worker", "worker_link"]

_TIMEOUT_SECONDS: Final = 5.0


@asynccontextmanager
async def worker_link(
    socket: Path, answers: Mapping[str, Callable[[], bytes]]
) -> AsyncIterator[None]:
    """Answers until left.

    Args:
        socket: Where to listen; nothing must be there.
        answers: What each word does and returns.
    """

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_TIMEOUT_SECONDS):
                word = (await reader.readline()).decode("ascii", "replace").strip()
                if word in answers:
                    writer.write(answers[word]())
                await writer.drain()
        except (OSError, TimeoutError):
            pass  # whoever asked has gone
        finally:
            writer.close()

    server = await asyncio.start_unix_server(serve, str(socket))
    try:
        yield
    finally:
        server.close()


async def ask_worker(socket: Path, word: str) -> bytes | None:
    """Returns a worker's answer; None where there is none, because it starts or has ended."""
    with contextlib.suppress(OSError, TimeoutError):
        async with asyncio.timeout(_TIMEOUT_SECONDS):
            reader, writer = await asyncio.open_unix_connection(str(socket))
            try:
                writer.write(f"{word}\n".encode("ascii"))
                return await reader.read(-1)
            finally:
                writer.close()
    return None
