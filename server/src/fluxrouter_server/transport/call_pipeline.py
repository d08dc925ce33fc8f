"""What happens to every call on every transport, written once.

authenticate → scope → read the message → serve → status of a refusal or an error → count and log.

A transport hands over the bytes and what it read from the headers, and gets bytes or a `Failure`
back; it never sees a message's type. The path of a call that goes well makes no task and logs
nothing, because it is a good part of what a decision costs.
"""

from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import aclosing
from typing import Any

from fluxrouter_server.api.error_table import Code
from fluxrouter_server.api.methods import AnyMethod, DuplexMethod, StreamMethod, UnaryMethod
from fluxrouter_server.api.status_details import Failure, refusal
from fluxrouter_server.domain.denials import Denial
from fluxrouter_server.telemetry.call_stats import CallStats
from fluxrouter_server.transport.call_entry import Arrival, Authenticator, CallEntry
from fluxrouter_server.transport.drain import Drain
from fluxrouter_server.transport.duplex_call import DuplexCall

__all__ = ["CallPipeline", "StreamCall", "UnaryCall"]


class CallPipeline:
    """Binds methods to what all calls share.

    Args:
        authenticator: Finds out who calls.
        stats: Makes the counters of a method, given `service/method`.
        drain: Ends streams.
        max_message_bytes: The largest message that is read.
    """

    def __init__(
        self,
        *,
        authenticator: Authenticator,
        stats: Callable[[str], CallStats],
        drain: Drain,
        max_message_bytes: int,
    ) -> None:
        self._authenticator = authenticator
        self._stats = stats
        self._drain = drain
        self._max_message_bytes = max_message_bytes

    def bind_unary(self, method: UnaryMethod[Any, Any]) -> "UnaryCall":
        """Returns what serves a method with one answer."""
        return UnaryCall(method, self._entry(method))

    def bind_stream(self, method: StreamMethod[Any, Any]) -> "StreamCall":
        """Returns what serves a method with a stream of answers."""
        return StreamCall(method, self._entry(method), drain=self._drain)

    def bind_duplex(self, method: DuplexMethod[Any, Any]) -> DuplexCall:
        """Returns what serves a method with streams both ways."""
        entry = self._entry(method)
        return DuplexCall(method, entry, self._stats(entry.name), drain=self._drain)

    def _entry(self, method: AnyMethod) -> CallEntry:
        return CallEntry(
            method,
            authenticator=self._authenticator,
            stats=self._stats,
            max_message_bytes=self._max_message_bytes,
        )


class UnaryCall:
    """Serves one method: bytes in, bytes or a `Failure` out. Only a cancellation is raised."""

    __slots__ = ("_entry", "_serve")

    def __init__(self, method: UnaryMethod[Any, Any], entry: CallEntry) -> None:
        self._serve = method.serve
        self._entry = entry

    async def __call__(self, data: bytes, arrival: Arrival) -> bytes | Failure:
        """Serves a call."""
        entry = self._entry
        begun = entry.begin()
        code = Code.CANCELLED
        try:
            try:
                admitted = await entry.admit(data, arrival)
                found = admitted if isinstance(admitted, Denial) else await self._serve(*admitted)
                answer = refusal(found) if isinstance(found, Denial) else _serialized(found)
            except Exception as error:  # noqa: BLE001 - the one place where unknown errors end
                answer = entry.failure(error, arrival)
            code = answer.code if isinstance(answer, Failure) else Code.OK
        finally:
            entry.end(code, begun, arrival)
        return answer


class StreamCall:
    """Serves one method: bytes in, a stream of bytes out, whose last item may be a `Failure`.

    The stream ends early, and well, when the server drains.
    """

    __slots__ = ("_drain", "_entry", "_serve")

    def __init__(self, method: StreamMethod[Any, Any], entry: CallEntry, *, drain: Drain) -> None:
        self._serve = method.serve
        self._entry = entry
        self._drain = drain

    async def __call__(self, data: bytes, arrival: Arrival) -> AsyncIterator[bytes | Failure]:
        """Serves a call."""
        begun = self._entry.begin()
        code = Code.CANCELLED
        try:
            async with aclosing(self._answers(data, arrival)) as answers:
                async for answer in answers:
                    if isinstance(answer, Failure):
                        code = answer.code
                    yield answer
            code = Code.OK if code is Code.CANCELLED else code
        finally:
            self._entry.end(code, begun, arrival)

    async def _answers(
        self, data: bytes, arrival: Arrival
    ) -> AsyncGenerator[bytes | Failure, None]:
        try:
            admitted = await self._entry.admit(data, arrival)
            if isinstance(admitted, Denial):
                yield refusal(admitted)
                return
            async with aclosing(self._drain.until(self._serve(*admitted))) as answers:
                async for answer in answers:
                    yield refusal(answer) if isinstance(answer, Denial) else _serialized(answer)
        except Exception as error:  # noqa: BLE001 - the one place where unknown errors end
            yield self._entry.failure(error, arrival)


def _serialized(answer: Any) -> bytes:  # noqa: ANN401 - a message of whichever method
    data: bytes = answer.SerializeToString()
    return data
