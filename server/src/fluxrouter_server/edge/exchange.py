"""One request from its admission to the end of its hold.

choose, hold, call the upstream (`attempts`), settle, answer. A whole answer is settled before it is
sent, so that it carries its cost. A streamed one is passed on event by event, each as soon as it is
there and no faster than the caller reads, and settled before its end is sent.
"""

from collections.abc import Awaitable, Callable

from fluxrouter_server.dialects.answer_headers import JSON, answer_headers
from fluxrouter_server.dialects.event_stream import EventTooLong
from fluxrouter_server.dialects.incoming import Incoming
from fluxrouter_server.dialects.refusals import Refusal
from fluxrouter_server.edge.asgi_types import Receive, Send
from fluxrouter_server.edge.attempts import Attempts, CallerGone
from fluxrouter_server.edge.charging import estimated_usage, metered_usage
from fluxrouter_server.edge.endings import Endings
from fluxrouter_server.edge.upstream_answers import OpenStream, WholeAnswer
from fluxrouter_server.edge.upstreams import UpstreamBroken
from fluxrouter_server.services.ports.telemetry import Counter, Telemetry
from fluxrouter_server.services.routing_service import Routed

__all__ = ["Exchange"]

_STREAM_HEADERS = [
    (b"content-type", b"text/event-stream; charset=utf-8"),
    (b"cache-control", b"no-cache"),
]
_BROKE_OFF = Refusal(
    502, "upstream_broke_off", "the upstream's answer broke off; what came of it is charged"
)


class Exchange:
    """Serves requests.

    Args:
        attempts: Finds the model that answers.
        endings: Settles.
        telemetry: Counts answers.
    """

    def __init__(self, attempts: Attempts, endings: Endings, telemetry: Telemetry) -> None:
        self._telemetry = telemetry
        self._attempts = attempts
        self._endings = endings

    async def serve(self, incoming: Incoming, receive: Receive, send: Send) -> Refusal | None:
        """Answer a request; return the refusal that is still to be sent, if it is one."""

        async def is_gone() -> bool:
            # All of the body was read, so this returns at once.
            return bool((await receive())["type"] == "http.disconnect")

        try:
            begun = await self._attempts.begin(incoming, is_gone)
            if isinstance(begun, Refusal):
                return begun
            async with begun.keeping:
                if isinstance(begun.answer, WholeAnswer):
                    await self._whole(incoming, begun.routed, begun.answer, send)
                else:
                    await self._stream(incoming, begun.routed, begun.answer, send)
        except CallerGone:
            self._telemetry.count(Counter.EDGE_ANSWERS, label="499")
        return None

    async def _whole(
        self, incoming: Incoming, routed: Routed, answer: WholeAnswer, send: Send
    ) -> None:
        dialect, hold = incoming.dialect, routed.hold
        usage = dialect.usage(answer.value) or estimated_usage(
            hold,
            choices=incoming.asked.choices,
            size_bytes=incoming.size_bytes,
            output_bytes=dialect.output_bytes(answer.value),
        )
        receipt = await self._endings.settle(hold, usage)
        size = (b"content-length", str(len(answer.data)).encode("ascii"))
        headers = [JSON, size, *answer_headers(routed, incoming.asked.model, receipt)]
        self._telemetry.count(Counter.EDGE_ANSWERS, label="200")
        await _send_unless_gone(send, _start(200, headers), _body(answer.data, more=False))

    async def _stream(
        self, incoming: Incoming, routed: Routed, stream: OpenStream, send: Send
    ) -> None:
        hold, is_gone, end = routed.hold, False, b""
        try:
            await send(
                _start(200, [*_STREAM_HEADERS, *answer_headers(routed, incoming.asked.model, None)])
            )
            await _pump(stream, lambda data: send(_body(data, more=True)))
        except (UpstreamBroken, EventTooLong):
            end = incoming.dialect.error_event(_BROKE_OFF, incoming.request_id)
        except OSError:  # nobody reads it any more
            is_gone = True
        finally:
            usage = metered_usage(
                hold,
                stream.meter,
                choices=incoming.asked.choices,
                size_bytes=incoming.size_bytes,
            )
            await self._endings.settle(hold, usage)
        self._telemetry.count(Counter.EDGE_ANSWERS, label="499" if is_gone else "200")
        if not is_gone:
            await _send_unless_gone(send, _body(end, more=False))


async def _pump(stream: OpenStream, write: Callable[[bytes], Awaitable[object]]) -> None:
    """Pass a stream on; raises UpstreamBroken also where the upstream says that it failed."""
    meter, splitter, data = stream.meter, stream.splitter, stream.first
    while True:
        if data:
            await write(data)
        if meter.failure:
            raise UpstreamBroken(meter.failure)
        piece = await anext(stream.pieces, None)
        events = splitter.rest() if piece is None else splitter.feed(piece)
        data = b"".join([event.raw for event in events if meter.see(event)])
        if piece is None:
            if data:
                await write(data)
            return


def _start(status: int, headers: list[tuple[bytes, bytes]]) -> dict[str, object]:
    return {"type": "http.response.start", "status": status, "headers": headers}


def _body(data: bytes, *, more: bool) -> dict[str, object]:
    return {"type": "http.response.body", "body": data, "more_body": more}


async def _send_unless_gone(send: Send, *events: dict[str, object]) -> None:
    try:
        for event in events:
            await send(event)
    except OSError:
        pass  # the caller has left, and its hold has ended
