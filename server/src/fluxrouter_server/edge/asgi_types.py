"""What ASGI passes around, as far as the edge needs it.

ASGI is a protocol of plain dictionaries (https://asgi.readthedocs.io/en/latest/specs/www.html), of
which `Any` is the honest type.
"""

from collections.abc import Awaitable, Callable
from typing import Any, TypeAlias

__all__ = ["Receive", "Scope", "Send"]

Scope: TypeAlias = dict[str, Any]
Receive: TypeAlias = Callable[[], Awaitable[dict[str, Any]]]
Send: TypeAlias = Callable[[dict[str, Any]], Awaitable[object]]
