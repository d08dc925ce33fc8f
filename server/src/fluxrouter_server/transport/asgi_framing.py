"""gRPC's framing of messages in an HTTP/2 body.

After https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md: a message is one byte
(1: compressed), its length in four, most significant first, and its bytes.
"""

import zlib
from typing import Final

from fluxrouter_server.api.error_table import Code
from fluxrouter_server.api.status_details import Failure

__all__ = ["FRAME_HEADER_BYTES", "BrokenFrame", "FrameReader", "frame", "gzip_frame", "plain"]

FRAME_HEADER_BYTES: Final = 5

_PLAIN: Final = 0
_COMPRESSED: Final = 1
#: zlib's way to say gzip: the largest window, and gzip's own header.
_GZIP_WINDOW_BITS: Final = 16 + zlib.MAX_WBITS
_GZIP_LEVEL: Final = 1  # answers are small; what compresses well does so at the lowest level


class BrokenFrame(Exception):
    """The body is not what the protocol says.

    Attributes:
        failure: How the call ends.
    """

    def __init__(self, code: Code, message: str) -> None:
        super().__init__(message)
        self.failure = Failure(code, message, b"")


def frame(message: bytes) -> bytes:
    """Returns a message as it travels."""
    return b"\0" + len(message).to_bytes(4, "big") + message


def gzip_frame(message: bytes) -> bytes:
    """Returns a message as it travels, compressed with gzip."""
    packer = zlib.compressobj(_GZIP_LEVEL, zlib.DEFLATED, _GZIP_WINDOW_BITS)
    packed = packer.compress(message) + packer.flush()
    return b"\1" + len(packed).to_bytes(4, "big") + packed


def plain(flag: int, payload: bytes, *, is_gzip: bool, max_bytes: int) -> bytes:
    """Returns a message from what travelled.

    Args:
        flag: The frame's first byte.
        payload: Its bytes after the length.
        is_gzip: Whether the call's `grpc-encoding` is gzip.
        max_bytes: The largest message to unpack: a small frame may hold a huge one.

    Raises:
        BrokenFrame: it is compressed and the call did not say how, is no gzip, or is too large.
    """
    if flag == _PLAIN:
        return payload
    if flag != _COMPRESSED or not is_gzip:
        raise BrokenFrame(Code.INTERNAL, f"a frame begins with {flag}, the call has no encoding")
    unpacker = zlib.decompressobj(_GZIP_WINDOW_BITS)
    try:
        message = unpacker.decompress(payload, max_bytes + 1)
    except zlib.error as error:
        raise BrokenFrame(Code.INTERNAL, f"a frame is no gzip: {error}") from error
    if len(message) > max_bytes:
        raise _too_large("more than that", max_bytes)
    if not unpacker.eof:
        raise BrokenFrame(Code.INTERNAL, "a frame ends in the middle of its gzip")
    return message


class FrameReader:
    """Finds messages in pieces of a body.

    Args:
        is_gzip: Whether the call's `grpc-encoding` is gzip.
        max_bytes: The largest message; a frame that says more is refused before it is awaited.
    """

    __slots__ = ("_buffer", "_is_gzip", "_max_bytes")

    def __init__(self, *, is_gzip: bool, max_bytes: int) -> None:
        self._buffer = bytearray()
        self._is_gzip = is_gzip
        self._max_bytes = max_bytes

    def feed(self, piece: bytes) -> None:
        """Adds a piece."""
        self._buffer += piece

    def next(self) -> bytes | None:
        """Returns the next message, or None where more pieces are needed.

        Raises:
            BrokenFrame: as of `plain`.
        """
        buffer = self._buffer
        if len(buffer) < FRAME_HEADER_BYTES:
            return None
        size = int.from_bytes(buffer[1:FRAME_HEADER_BYTES], "big")
        if size > self._max_bytes:
            raise _too_large(str(size), self._max_bytes)
        end = FRAME_HEADER_BYTES + size
        if len(buffer) < end:
            return None
        flag, payload = buffer[0], bytes(buffer[FRAME_HEADER_BYTES:end])
        del buffer[:end]
        return plain(flag, payload, is_gzip=self._is_gzip, max_bytes=self._max_bytes)

    def require_end(self) -> None:
        """Raises BrokenFrame where the body ended in the middle of a message."""
        if self._buffer:
            raise BrokenFrame(Code.INTERNAL, "the body ends in the middle of a message")


def _too_large(said: str, max_bytes: int) -> BrokenFrame:
    return BrokenFrame(
        Code.RESOURCE_EXHAUSTED, f"a message has {said} bytes; at most {max_bytes} are read"
    )
