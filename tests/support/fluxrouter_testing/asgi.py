"""One gRPC call over ASGI without a server: what came in is given, what goes out is kept."""

import asyncio
from collections.abc import Iterable, Mapping

from fluxrouter_server.api.error_table import Code
from fluxrouter_server.transport.asgi_framing import FRAME_HEADER_BYTES
from fluxrouter_server.transport.asgi_types import Event, Scope


def piece(body: bytes, *, more: bool = False) -> Event:
    """Returns a piece of a body; `more` says that another one follows."""
    return {"type": "http.request", "body": body, "more_body": more}


class Exchange:
    """A call: `scope`, `receive` and `send` are for the application, the rest for the test.

    Attributes:
        scope: What the call is.
        sent: All events of the application, in order.
        is_gone: Set it, and the caller has gone.
    """

    def __init__(self, events: Iterable[Event], headers: Mapping[str, str]) -> None:
        """Takes what comes in, and headers with `_` for `-`."""
        given = {"content_type": "application/grpc", "te": "trailers", **headers}
        self.scope: Scope = {
            "type": "http",
            "method": "POST",
            "path": "/test.Service/Method",
            "headers": [
                (name.replace("_", "-").encode(), value.encode()) for name, value in given.items()
            ],
        }
        self.sent: list[Event] = []
        self.is_gone = asyncio.Event()
        self._events = list(events)

    async def receive(self) -> Event:
        """Returns the next event; after the last one, as Envoy does, empty pieces or the end."""
        if self._events:
            return self._events.pop(0)
        if self.is_gone.is_set():
            return {"type": "http.disconnect"}
        return piece(b"")

    async def send(self, event: Event) -> None:
        """Keeps an event; fails as Envoy does once the caller has gone."""
        if self.is_gone.is_set():
            raise ConnectionResetError("the caller has gone")
        self.sent.append(event)

    @property
    def http_status(self) -> int:
        """The answer's HTTP status."""
        status: int = self.sent[0]["status"]
        return status

    @property
    def headers(self) -> dict[str, str]:
        """The answer's headers."""
        return _texts(self.sent[0]["headers"])

    @property
    def trailers(self) -> dict[str, str]:
        """The answer's trailers."""
        assert self.sent[-1]["type"] == "http.response.trailers", self.sent[-1]
        return _texts(self.sent[-1]["headers"])

    @property
    def is_trailers_only(self) -> bool:
        """Whether the answer is nothing but its status, in one set of headers."""
        return len(self.sent) == 2 and not self.sent[0].get("trailers") and not self.messages

    @property
    def status(self) -> Code:
        """The call's status, wherever it stands."""
        fields = self.headers if self.is_trailers_only else self.trailers
        return Code(int(fields["grpc-status"]))

    @property
    def messages(self) -> list[bytes]:
        """The answer's messages, still compressed where they are."""
        body = b"".join(event.get("body", b"") for event in self.sent)
        found = []
        while body:
            end = FRAME_HEADER_BYTES + int.from_bytes(body[1:FRAME_HEADER_BYTES], "big")
            found.append(body[FRAME_HEADER_BYTES:end])
            body = body[end:]
        return found


def _texts(headers: Iterable[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode(): value.decode() for name, value in headers}
