"""gRPC's headers and trailers.

After https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md. HTTP/2 names are in
lower case already. Of a header that comes twice the last one counts, as none that is read here may
come twice.
"""

from base64 import b64encode
from dataclasses import dataclass
from typing import Final

from fluxrouter_server.api.error_table import Code
from fluxrouter_server.api.status_details import Failure
from fluxrouter_server.transport.asgi_types import Event, Scope
from fluxrouter_server.transport.call_entry import Arrival

__all__ = [
    "ANSWER_END",
    "ANSWER_START",
    "GZIP_ANSWER_START",
    "Heading",
    "failure_only",
    "failure_trailers",
    "not_grpc",
    "read_heading",
]

_CONTENT_TYPE: Final = (b"content-type", b"application/grpc")
#: Messages are protobuf; `application/grpc+json` and its like are another language.
_CONTENT_TYPES: Final = frozenset({b"application/grpc", b"application/grpc+proto"})
_ACCEPTED: Final = (b"grpc-accept-encoding", b"identity,gzip")
_GZIP: Final = b"gzip"
_IDENTITY: Final = b"identity"
_KNOWN_ENCODINGS: Final = (None, _IDENTITY, _GZIP)

# Events are built once and never changed: whoever sends them only reads them.
ANSWER_START: Final[Event] = {
    "type": "http.response.start",
    "status": 200,
    "headers": [_CONTENT_TYPE],
    "trailers": True,
}
GZIP_ANSWER_START: Final[Event] = {
    **ANSWER_START,
    "headers": [_CONTENT_TYPE, (b"grpc-encoding", _GZIP), _ACCEPTED],
}
ANSWER_END: Final[Event] = {
    "type": "http.response.trailers",
    "headers": [(b"grpc-status", b"0")],
}

#: Seconds of each unit of `grpc-timeout`.
_UNITS: Final = {b"H": 3600.0, b"M": 60.0, b"S": 1.0, b"m": 1e-3, b"u": 1e-6, b"n": 1e-9}
_MAX_TIMEOUT_DIGITS: Final = 8

# A status message keeps printable ASCII but for `%`.
_PERCENT: Final = ord("%")
_PRINTABLE: Final = range(0x20, 0x7F)


@dataclass(slots=True)
class Heading:
    """A call's headers, read. Not frozen: one is made for each call.

    Attributes:
        arrival: What the pipeline wants to know.
        is_gzip: Whether messages come compressed, which is how the answers then go.
    """

    arrival: Arrival
    is_gzip: bool


def read_heading(scope: Scope) -> Heading | Failure | None:
    """Returns a call's headers, or how it ends; None: it is no gRPC at all."""
    headers = dict(scope["headers"])
    if scope["method"] != "POST" or headers.get(b"content-type") not in _CONTENT_TYPES:
        return None
    encoding = headers.get(b"grpc-encoding")
    if encoding not in _KNOWN_ENCODINGS:
        message = f"grpc-encoding {_text(encoding)} is not known here; use identity or gzip"
        return Failure(Code.UNIMPLEMENTED, message, b"")
    timeout = headers.get(b"grpc-timeout")
    seconds = None if timeout is None else _seconds(timeout)
    if seconds is None and timeout is not None:
        return Failure(Code.INTERNAL, f"grpc-timeout {_text(timeout)} is malformed", b"")
    authorization = headers.get(b"authorization")
    request_id = headers.get(b"x-request-id")
    arrival = Arrival(
        None if authorization is None else _text(authorization),
        None if request_id is None else _text(request_id),
        seconds,
    )
    return Heading(arrival, encoding == _GZIP)


def failure_only(failure: Failure) -> tuple[Event, Event]:
    """Returns the whole answer of a call that fails before its first message."""
    start = {
        "type": "http.response.start",
        "status": 200,
        "headers": [_CONTENT_TYPE, *_status(failure)],
    }
    return start, {"type": "http.response.body", "body": b""}


def failure_trailers(failure: Failure) -> Event:
    """Returns the end of an answer that fails later."""
    return {"type": "http.response.trailers", "headers": _status(failure)}


def not_grpc() -> tuple[Event, Event]:
    """Returns the answer to what is no gRPC."""
    start = {
        "type": "http.response.start",
        "status": 415,
        "headers": [(b"content-type", b"text/plain; charset=utf-8"), (b"accept", _CONTENT_TYPE[1])],
    }
    return start, {"type": "http.response.body", "body": b"this path speaks gRPC\n"}


def _status(failure: Failure) -> list[tuple[bytes, bytes]]:
    fields = [
        (b"grpc-status", b"%d" % failure.code),
        (b"grpc-message", _percent_encoded(failure.message)),
    ]
    if failure.status:
        fields.append((b"grpc-status-details-bin", b64encode(failure.status).rstrip(b"=")))
    if failure.code is Code.UNIMPLEMENTED:
        fields.append(_ACCEPTED)
    return fields


def _percent_encoded(message: str) -> bytes:
    encoded = message.encode("utf-8", "replace")
    return b"".join(
        b"%c" % byte if byte in _PRINTABLE and byte != _PERCENT else b"%%%02X" % byte
        for byte in encoded
    )


def _seconds(timeout: bytes) -> float | None:
    unit = _UNITS.get(timeout[-1:])
    digits = timeout[:-1]
    if unit is None or not digits.isdigit() or len(digits) > _MAX_TIMEOUT_DIGITS:
        return None
    return int(digits) * unit


def _text(value: bytes) -> str:
    return value.decode("utf-8", "replace")
