"""Calls with streams both ways, whose messages are served each by itself, many at once.

What is under way is bounded, counting answers that the caller has not read yet: whoever sends and
does not read is not read from any more, and the transport's flow control stops it.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from time import perf_counter
from typing import Any, Final

from fluxrouter_server.api.error_table import Code
from fluxrouter_server.api.methods import DuplexMethod
from fluxrouter_server.api.status_details import Failure, refusal
from fluxrouter_server.domain.denials import Denial
from fluxrouter_server.telemetry.call_stats import CallStats
from fluxrouter_server.transport.call_entry import Arrival, CallEntry
from fluxrouter_server.transport.drain import Drain

__all__ = ["DuplexCall"]

#: Messages of one stream that may be under way: enough for the next ones to be read and decided
#: while the answers to the last ones travel.
_MOST_UNDER_WAY: Final = 8


class DuplexCall:
    """Serves one method: streams of bytes in and out; the last item out may be a `Failure`.

    Each message goes through all steps of a call, so a credential that is revoked is refused while
    its stream is open. The stream ends early, and well, when the server drains: what was read by
    then is answered.
    """

    __slots__ = ("_drain", "_entry", "_serve", "_stats")

    def __init__(
        self, method: DuplexMethod[Any, Any], entry: CallEntry, stats: CallStats, *, drain: Drain
    ) -> None:
        self._serve: Callable[[Any, Any], Awaitable[Any]] = method.serve
        self._entry = entry
        self._stats = stats
        self._drain = drain

    async def __call__(
        self, messages: AsyncIterator[bytes], arrival: Arrival
    ) -> AsyncIterator[bytes | Failure]:
        """Serves a call."""
        self._stats.in_flight += 1
        begun = perf_counter()
        code = Code.CANCELLED
        answers: asyncio.Queue[bytes | Failure | None] = asyncio.Queue()
        room = asyncio.Semaphore(_MOST_UNDER_WAY)
        reading = asyncio.create_task(self._read(messages, arrival, answers, room))
        try:
            while (answer := await answers.get()) is not None:
                room.release()
                if isinstance(answer, Failure):
                    code = answer.code
                yield answer
                if isinstance(answer, Failure):
                    return
            code = Code.OK
        finally:
            reading.cancel()
            await asyncio.wait((reading,))
            self._stats.end(code, perf_counter() - begun)

    async def _read(
        self,
        messages: AsyncIterator[bytes],
        arrival: Arrival,
        answers: asyncio.Queue[bytes | Failure | None],
        room: asyncio.Semaphore,
    ) -> None:
        """Begins each message as it comes; puts answers in the order in which they are ready."""

        async def answer(data: bytes) -> None:
            answers.put_nowait(await self._answer(data, arrival))

        async with asyncio.TaskGroup() as group:
            async for data in self._drain.until(messages):
                await room.acquire()
                group.create_task(answer(data))
        answers.put_nowait(None)

    async def _answer(self, data: bytes, arrival: Arrival) -> bytes | Failure:
        try:
            admitted = await self._entry.admit(data, arrival)
            if isinstance(admitted, Denial):
                return refusal(admitted)
            answer = await self._serve(*admitted)
            if isinstance(answer, Denial):
                return refusal(answer)
            serialized: bytes = answer.SerializeToString()
        except Exception as error:  # noqa: BLE001 - the one place where unknown errors end
            return self._entry.failure(error, arrival)
        return serialized
