"""Sends concurrent calls together over one stream, and gives each its own answer.

What is asked for while the last message was being written leaves with the next one; so a caller
alone waits for nobody, and a thousand at once share ten messages.
"""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, Final, Generic, Protocol, TypeVar

import grpc

from fluxrouter.client.errors import Unavailable, error_of_call, error_of_refusal

__all__ = ["Coalescer", "StreamMethod"]

Q = TypeVar("Q")  # a request, such as RouteRequest
A = TypeVar("A")  # its answer

_MOST_IN_A_MESSAGE: Final = 100  # what the server takes


class StreamMethod(Protocol):
    """Opens a stream, such as `RouterServiceStub.RouteStream`."""

    def __call__(self, *, metadata: Sequence[tuple[str, str]]) -> Any:  # noqa: ANN401 - see grpc.aio
        """Returns a call with `write`, `read` and `cancel`."""
        ...


class Coalescer(Generic[Q, A]):
    """One stream at a time, opened when it is needed.

    Args:
        method: Opens a stream.
        message: Makes a message of a number and requests.
        metadata: What goes along with the stream.
    """

    def __init__(
        self,
        method: StreamMethod,
        message: Callable[[int, list[Q]], Any],
        metadata: Sequence[tuple[str, str]],
    ) -> None:
        self._method = method
        self._message = message
        self._metadata = metadata
        self._waiting: list[tuple[Q, asyncio.Future[A]]] = []
        self._sent: dict[int, list[asyncio.Future[A]]] = {}
        self._number = 0
        self._arrived = asyncio.Event()
        self._running: asyncio.Task[None] | None = None

    async def call(self, request: Q) -> A:
        """Returns the answer to a request.

        Raises:
            Denied: the server said no.
            Unavailable: it did not answer; whether it decided is not known.
        """
        future: asyncio.Future[A] = asyncio.get_running_loop().create_future()
        self._waiting.append((request, future))
        self._arrived.set()
        if self._running is None or self._running.done():
            self._running = asyncio.create_task(self._run(), name="coalesced calls")
        return await future

    async def close(self) -> None:
        """Ends the stream; calls that wait fail."""
        if self._running is not None:
            self._running.cancel()
            await asyncio.wait((self._running,))

    async def _run(self) -> None:
        """Lives as long as one stream."""
        stream = self._method(metadata=self._metadata)
        writing = asyncio.create_task(self._write(stream))
        error: Exception = Unavailable("the server ended the stream")
        try:
            while (answer := await stream.read()) is not grpc.aio.EOF:
                self._resolve(answer)
        except grpc.aio.AioRpcError as failed:
            error = error_of_call(failed)
        except asyncio.CancelledError:
            error = Unavailable("the client was closed")
            raise
        finally:
            writing.cancel()
            stream.cancel()
            self._fail(error)

    async def _write(self, stream: Any) -> None:  # noqa: ANN401 - see grpc.aio
        while True:
            await self._arrived.wait()
            taken = self._waiting[:_MOST_IN_A_MESSAGE]
            del self._waiting[:_MOST_IN_A_MESSAGE]
            if not self._waiting:
                self._arrived.clear()
            # Whoever gave up meanwhile need not be asked for.
            taken = [(request, future) for request, future in taken if not future.done()]
            if not taken:
                continue
            self._number += 1
            self._sent[self._number] = [future for _, future in taken]
            try:
                await stream.write(self._message(self._number, [request for request, _ in taken]))
            except (grpc.aio.AioRpcError, asyncio.InvalidStateError):
                return  # reading tells why

    def _resolve(self, answer: Any) -> None:  # noqa: ANN401 - of either stream
        futures = self._sent.pop(answer.batch_id)
        for future, result in zip(futures, answer.results, strict=True):
            if future.done():
                continue
            if result.HasField("response"):
                future.set_result(result.response)
            else:
                future.set_exception(error_of_refusal(result.refusal))

    def _fail(self, error: Exception) -> None:
        waiting, self._waiting = self._waiting, []
        sent, self._sent = self._sent, {}
        self._arrived.clear()
        futures = [future for _, future in waiting]
        for message in sent.values():
            futures += message
        for future in futures:
            if not future.done():
                future.set_exception(error)
