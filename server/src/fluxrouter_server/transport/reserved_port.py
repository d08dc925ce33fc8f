"""Chooses and keeps the port that several processes are going to share.

They share it by SO_REUSEPORT, with which any other process of the same user could join unnoticed.
So it is first made sure that nobody listens there, then the port is bound, without listening, for
as long as the processes come and go.
"""

import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from fluxrouter_server.transport.grpc_aio import ListenError

__all__ = ["ReservedPort", "reserved_port"]


@dataclass(frozen=True, slots=True)
class ReservedPort:
    """An IP address and a port, never 0."""

    host: str
    port: int


@contextmanager
def reserved_port(host: str, port: int, *, may_share: bool) -> Iterator[ReservedPort]:
    """Holds a port until left.

    Args:
        host: Name or IP address.
        port: 0 takes a free one.
        may_share: Whether other servers may listen there already.

    Raises:
        ListenError: somebody else listens there, or the address is not this machine's.
    """
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        if port and not may_share:
            with socket.socket(family, socket.SOCK_STREAM) as alone:
                alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                alone.bind(address)
        held = socket.socket(family, socket.SOCK_STREAM)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        held.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        held.bind(address)
    except OSError as error:
        raise ListenError(
            f"cannot listen on {host}:{port}: {error.strerror}; another process may do so already, "
            "or the address is not this machine's; choose another one with --listen"
        ) from error
    with held:
        found = held.getsockname()
        yield ReservedPort(str(found[0]), int(found[1]))
