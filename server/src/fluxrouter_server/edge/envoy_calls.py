"""Calls upstreams through the clusters of the Envoy that this Python runs in.

Connections, TLS and their reuse are Envoy's. It answers by itself where an upstream cannot be
reached; such an answer lacks the header with which Envoy marks those that came from there. When our
own caller goes away, Envoy ends the call, and reading from it raises.
"""

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import suppress
from typing import Any, Final
from zlib import crc32

from fluxrouter_server.edge.upstreams import Upstream, UpstreamBroken

__all__ = ["EnvoyCalls", "cluster_name"]

_MARK: Final = "x-envoy-upstream-service-time"


def cluster_name(upstream: Upstream) -> str:
    """Return the name of an upstream's cluster in Envoy's configuration.

    Other addresses are another cluster. So the credential of one address never goes to another one,
    whoever learns first of a new catalog, and what runs on the old cluster is not cut off.
    """
    ends = [f" {one.address} {one.weight} {one.zone}" for one in upstream.endpoints]
    addresses = f"{upstream.base_url}{''.join(ends)}"
    return f"upstream/{upstream.name}/{crc32(addresses.encode()):08x}"


class EnvoyCalls:
    """Keeps one transport for each upstream. Works inside of Envoy only."""

    def __init__(self) -> None:
        # Inside of Envoy only, and from a package that not all machines can have.
        from pyqwest import Headers, ReadError, Request, WriteError  # noqa: PLC0415
        from pyvoy.asgi.httpclient import HTTPTransport  # noqa: PLC0415

        self._headers, self._request = Headers, Request
        self._transport = HTTPTransport
        self._errors = (ReadError, WriteError, OSError, ValueError, RuntimeError)
        self._transports: dict[Upstream, Any] = {}

    async def post(
        self, upstream: Upstream, path: str, headers: Sequence[tuple[str, str]], body: bytes
    ) -> "EnvoyAnswer":
        """Send a request; raises UpstreamBroken."""
        transport = self._transports.get(upstream)
        if transport is None:
            transport = self._transport(cluster_name(upstream), timeout=upstream.timeout_seconds)
            self._transports[upstream] = transport
        request = self._request("POST", f"{upstream.base_url}{path}", self._headers(headers), body)
        try:
            response = await transport.execute(request)
        except self._errors as error:
            raise UpstreamBroken(str(error)) from error
        return EnvoyAnswer(response, self._errors)


class EnvoyAnswer:
    """An answer whose head has come; see `UpstreamAnswer`."""

    def __init__(self, response: Any, errors: tuple[type[Exception], ...]) -> None:  # noqa: ANN401 - untyped
        self._response = response
        self._errors = errors
        self.status: int = response.status
        self.headers: Mapping[str, str] = dict(response.headers.items())
        self.is_from_upstream = _MARK in self.headers

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the body as it comes; raises UpstreamBroken."""
        try:
            async for piece in self._response.content:
                yield bytes(piece)
        except self._errors as error:
            raise UpstreamBroken(str(error)) from error

    async def close(self) -> None:
        """Give up what is left of it."""
        with suppress(*self._errors):  # it has ended by itself
            await self._response.aclose()
