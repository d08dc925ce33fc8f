"""Finds events in the pieces of a streamed answer, and leaves their bytes as they are.

After https://html.spec.whatwg.org/multipage/server-sent-events.html: fields a line, an empty line
ends an event. Lines may end with LF or CRLF. Whoever leaves out the last empty line is understood.
"""

import json
import re
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["MAX_EVENT_BYTES", "EventSplitter", "EventTooLong", "ServerSentEvent"]

#: Most events are a few hundred bytes; `responses` repeats the whole answer in its last one.
MAX_EVENT_BYTES: Final = 8 * 1024 * 1024

_LF_END: Final = b"\n\n"
_DATA: Final = b"data: "
_END: Final = re.compile(rb"\r\n\r\n|\n\n|\r\r|\n\r\n")


class EventTooLong(Exception):
    """What came is no stream of events: it does not end."""


@dataclass(frozen=True, slots=True)
class ServerSentEvent:
    """One event.

    Attributes:
        raw: Its bytes, with the empty line that ends it.
        name: Its `event`; empty where it has none.
        data: Its `data` lines, joined.
    """

    raw: bytes
    name: str
    data: bytes

    def json(self) -> dict[str, Any] | None:
        """Return the JSON object in its data; None for `[DONE]`, comments and what is none."""
        if not self.data.startswith(b"{"):
            return None
        try:
            value = json.loads(self.data)
        except (ValueError, RecursionError):
            return None
        return value if isinstance(value, dict) else None


class EventSplitter:
    """Holds back the beginning of an event until its end has come."""

    __slots__ = ("_pending",)

    def __init__(self) -> None:
        self._pending = b""

    def feed(self, piece: bytes) -> list[ServerSentEvent]:
        """Take the next piece; return the events that are whole now.

        Raises:
            EventTooLong: one does not end.
        """
        data = self._pending + piece if self._pending else piece
        if b"\r" in data:
            events = self._find(data)
        else:  # as nearly all servers have it
            *whole, self._pending = data.split(_LF_END)
            events = [_event(one + _LF_END) for one in whole]
        if len(self._pending) > MAX_EVENT_BYTES:
            raise EventTooLong
        return events

    def _find(self, data: bytes) -> list[ServerSentEvent]:
        events = []
        begin = 0
        for end in _END.finditer(data):
            events.append(_event(data[begin : end.end()]))
            begin = end.end()
        self._pending = data[begin:]
        return events

    def rest(self) -> list[ServerSentEvent]:
        """Return the event that the stream's end cut off, if any, with its end put right."""
        left, self._pending = self._pending, b""
        return [_event(left + b"\n\n")] if left.strip() else []


def _event(raw: bytes) -> ServerSentEvent:
    if raw.startswith(_DATA) and raw.find(b"\n") == len(raw) - len(_LF_END):
        return ServerSentEvent(raw, "", raw[len(_DATA) : -len(_LF_END)])  # one line, no name
    name = ""
    data = []
    for line in raw.splitlines():
        if line.startswith(b"data:"):
            data.append(line[5:].removeprefix(b" "))
        elif line.startswith(b"event:"):
            name = line[6:].strip().decode("utf-8", "replace")
    return ServerSentEvent(raw, name, b"\n".join(data))
