"""Reads a request off the wire, and nothing of it without a bound."""

import asyncio
from collections.abc import Mapping
from typing import Final

from fluxrouter_server.dialects.refusals import Refusal, Refused, bad_request
from fluxrouter_server.edge.asgi_types import Receive, Scope
from fluxrouter_server.edge.attempts import CallerGone

__all__ = ["MAX_BODY_BYTES", "headers_of", "read_body"]

#: A conversation with a few images in it; providers take about as much.
MAX_BODY_BYTES: Final = 16 * 1024 * 1024
#: A body must have come by then, so that nobody holds a place by sending slowly.
_BODY_SECONDS: Final = 60.0

_TOO_SLOW: Final = Refusal(408, "request_timeout", "the body did not come in time; send it again")


def headers_of(scope: Scope) -> dict[str, str]:
    """Return the headers by name in lower case; of one that comes twice, the last."""
    return {
        name.decode("latin-1").lower(): value.decode("latin-1") for name, value in scope["headers"]
    }


async def read_body(headers: Mapping[str, str], receive: Receive) -> bytes:
    """Return the whole body.

    Raises:
        Refused: it is too large, too slow, or not JSON by its own headers.
        CallerGone: the caller left in the middle of it.
    """
    kind = headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    if kind != "application/json" and not kind.endswith("+json"):
        raise bad_request("content-type: must be application/json", status=415)
    if headers.get("content-encoding", "identity") != "identity":
        raise bad_request("content-encoding: send the body as it is", status=415)
    told = headers.get("content-length", "0")
    if told.isdecimal() and int(told) > MAX_BODY_BYTES:
        raise _too_large()
    try:
        async with asyncio.timeout(_BODY_SECONDS):
            return await _pieces(receive)
    except TimeoutError:
        raise Refused(_TOO_SLOW) from None


async def _pieces(receive: Receive) -> bytes:
    body = bytearray()
    while True:
        event = await receive()
        if event["type"] == "http.disconnect":
            raise CallerGone
        body += event.get("body", b"")
        if len(body) > MAX_BODY_BYTES:
            raise _too_large()
        if not event.get("more_body"):
            return bytes(body)


def _too_large() -> Refused:
    return bad_request(
        f"the body has more than {MAX_BODY_BYTES} bytes; send less, or images by their address",
        status=413,
    )
