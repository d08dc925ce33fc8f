"""Where a store listens, parsed once from the URL an operator wrote.

A password never shows in a repr, a log line or an error: errors quote the URL's scheme and the part
that is wrong, nothing else.
"""

from dataclasses import dataclass, field
from typing import Final, Protocol
from urllib.parse import SplitResult, unquote, urlsplit

__all__ = ["DEFAULT_PORT", "Place", "StoreAddress", "StoreUrlInvalid", "parse_store_url"]

DEFAULT_PORT: Final = 6379
"""The port that Valkey and Redis have registered."""

_TLS_BY_SCHEME: Final = {
    "valkey": False,
    "redis": False,
    "valkeys": True,
    "rediss": True,
}
_EXAMPLES: Final = "valkey://host:6379, valkeys://host:6379 (TLS) or unix:///path/to/socket"


class Place(Protocol):
    """Where one server is to be found: an address is one, and so is what Sentinels know."""

    @property
    def may_move(self) -> bool:
        """Whether it may be found elsewhere the next time."""
        ...

    async def find(self) -> "StoreAddress":
        """Where it is now; raises StoreUnavailable where nobody knows."""
        ...


class StoreUrlInvalid(ValueError):
    """A store's URL that cannot be used; the message names the part and the remedy."""


@dataclass(frozen=True, slots=True)
class StoreAddress:
    """Where the store listens and as whom to connect.

    Attributes:
        host: Host name or IP address; empty for a unix socket.
        port: TCP port; 0 for a unix socket.
        path: The unix socket's path; empty for TCP.
        username: The ACL user; empty means the store's `default` user.
        password: Empty means that no AUTH is sent.
        tls: Whether the connection is wrapped in TLS.
    """

    host: str = ""
    port: int = 0
    path: str = ""
    username: str = ""
    password: str = field(default="", repr=False)
    tls: bool = False

    def __str__(self) -> str:
        """The address as a URL without the password, for logs and errors."""
        user = f"{self.username}@" if self.username else ""
        if self.path:
            return f"unix://{user}{self.path}"
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'valkeys' if self.tls else 'valkey'}://{user}{host}:{self.port}"

    @property
    def may_move(self) -> bool:
        """See `Place`."""
        return False

    async def find(self) -> "StoreAddress":
        """See `Place`."""
        return self


def parse_store_url(url: str) -> StoreAddress:
    """Parses the URL of a store.

    Args:
        url: `valkey://` or `redis://` (TCP), `valkeys://` or `rediss://` (TLS), each as
            `scheme://[user[:password]@]host[:port]`, or `unix://[user[:password]@]/path`.

    Raises:
        StoreUrlInvalid: The URL names something else; the message says what and how to write it.
    """
    try:
        parts = urlsplit(url.strip())
        port = parts.port
    except ValueError as error:
        raise StoreUrlInvalid(
            f"store URL: the host or port cannot be read; write {_EXAMPLES}"
        ) from error
    scheme = parts.scheme
    if scheme != "unix" and scheme not in _TLS_BY_SCHEME:
        raise StoreUrlInvalid(f"store URL: unknown scheme {scheme!r}; write {_EXAMPLES}")
    if parts.query or parts.fragment:
        raise StoreUrlInvalid(
            f"store URL: a {scheme} URL takes no '?' or '#' part; remove it, "
            "or write a '?' or '#' of a password as %3F or %23"
        )
    if scheme == "unix":
        return _unix_address(parts)
    return _tcp_address(parts, port)


def _unix_address(parts: SplitResult) -> StoreAddress:
    if parts.hostname:
        raise StoreUrlInvalid(
            f"store URL: a unix socket has a path and no host, but this one names "
            f"{parts.hostname!r}; write three slashes, as in unix:///path/to/socket"
        )
    path = unquote(parts.path)
    if not path.strip("/"):
        raise StoreUrlInvalid("store URL: the path is missing; write unix:///path/to/socket")
    username, password = _credentials(parts)
    return StoreAddress(path=path, username=username, password=password)


def _tcp_address(parts: SplitResult, port: int | None) -> StoreAddress:
    if not parts.hostname:
        raise StoreUrlInvalid(f"store URL: the host is missing; write {_EXAMPLES}")
    if parts.path.strip("/") not in ("", "0"):
        raise StoreUrlInvalid(
            f"store URL: {parts.path!r} names a database, and only database 0 is supported "
            "(a Cluster has no other); remove it, and keep other users off this store"
        )
    if port == 0:
        raise StoreUrlInvalid("store URL: port 0 cannot be connected to; write 1 to 65535")
    username, password = _credentials(parts)
    return StoreAddress(
        host=parts.hostname,
        port=DEFAULT_PORT if port is None else port,
        username=username,
        password=password,
        tls=_TLS_BY_SCHEME[parts.scheme],
    )


def _credentials(parts: SplitResult) -> tuple[str, str]:
    username, password = unquote(parts.username or ""), unquote(parts.password or "")
    if username and not password:
        raise StoreUrlInvalid(
            "store URL: a user without a password; write user:password@, "
            "or :password@ for the default user"
        )
    return username, password
