"""What ASGI passes around, as far as gRPC needs it; the transport of gRPC inside Envoy speaks it.

ASGI is a protocol of plain dictionaries (https://asgi.readthedocs.io/en/latest/specs/www.html), of
which `Any` is the honest type. Nothing outside the modules `asgi_*` sees them.
"""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

__all__ = ["Endpoint", "Event", "Receive", "Scope", "Send"]

Scope: TypeAlias = dict[str, Any]
Event: TypeAlias = dict[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[Event]]
Send: TypeAlias = Callable[[Event], Awaitable[object]]

#: Serves one path.
Endpoint: TypeAlias = Callable[[Scope, Receive, Send], Awaitable[None]]
