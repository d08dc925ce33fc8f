"""HTTP/2 frames by hand, for callers so rude that no client library can play them."""

import socket
import struct
from typing import Final

__all__ = ["RawHttp2"]

_PREFACE: Final = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"
_DATA, _HEADERS, _RST_STREAM, _SETTINGS = 0, 1, 3, 4
_END_STREAM, _END_HEADERS = 1, 4
_CANCEL: Final = 8


class RawHttp2:
    """One connection that sends what it is told and reads nothing."""

    def __init__(self, address: str) -> None:
        """Connects and says hello; `address` is host:port."""
        host, _, port = address.rpartition(":")
        self._socket = socket.create_connection((host, int(port)), timeout=10)
        self._next_stream = 1
        self._out = [_PREFACE, _frame(_SETTINGS, 0, 0, b"")]

    def begin(self, path: str) -> int:
        """Begins a gRPC call; returns its stream."""
        stream, self._next_stream = self._next_stream, self._next_stream + 2
        fields = {
            ":method": "POST",
            ":scheme": "http",
            ":path": path,
            ":authority": "localhost",
            "content-type": "application/grpc",
            "te": "trailers",
        }
        block = b"".join(_literal(name) + _literal(value, b"") for name, value in fields.items())
        self._out.append(_frame(_HEADERS, _END_HEADERS, stream, block))
        return stream

    def send(self, stream: int, data: bytes, *, is_last: bool) -> None:
        """Sends a part of a call's body."""
        self._out.append(_frame(_DATA, _END_STREAM if is_last else 0, stream, data))

    def reset(self, stream: int) -> None:
        """Takes a call back."""
        self._out.append(_frame(_RST_STREAM, 0, stream, struct.pack("!I", _CANCEL)))

    def flush(self) -> bool:
        """Writes what was told so far; False where the server has hung up."""
        data, self._out = b"".join(self._out), []
        try:
            self._socket.sendall(data)
        except OSError:
            return False
        return True

    def close(self) -> None:
        """Hangs up."""
        self._socket.close()


def _frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return struct.pack("!I", len(payload))[1:] + struct.pack("!BBI", kind, flags, stream) + payload


def _literal(text: str, before: bytes = b"\x00") -> bytes:
    """A string of HPACK without compression; the byte before a name says: not indexed."""
    return before + bytes([len(text)]) + text.encode()
