"""A gRPC channel to the server whose credentials may change while it lives.

A projected token is replaced every hour and certificates when they are renewed; both are files, and
what the files hold at the moment of a call is what counts.
"""

import ipaddress
from dataclasses import dataclass
from pathlib import Path

import grpc

__all__ = ["Channel", "InsecureTarget", "ServerTarget"]

# Ten thousand accounts are applied a thousand at a time; such a message has some megabytes.
_MAX_MESSAGE_BYTES = 32 * 2**20
_OPTIONS = (
    ("grpc.max_send_message_length", _MAX_MESSAGE_BYTES),
    ("grpc.max_receive_message_length", _MAX_MESSAGE_BYTES),
    # A server that restarts should be noticed within seconds, not after two minutes of back-off.
    ("grpc.initial_reconnect_backoff_ms", 200),
    ("grpc.min_reconnect_backoff_ms", 200),
    ("grpc.max_reconnect_backoff_ms", 2000),
)


class InsecureTarget(ValueError):
    """A credential would travel in plain text to another machine."""


@dataclass(frozen=True, slots=True)
class ServerTarget:
    """How to reach the server.

    Attributes:
        address: `host:port`.
        token_file: holds the bearer token: a ServiceAccount's or a service credential; None sends
            none, as a server on loopback without credentials wants it.
        ca_file: certificate authority in PEM; None talks plain text.
        certificate_file: client certificate in PEM, for mutual TLS, with `key_file`.
        key_file: its private key.
    """

    address: str
    token_file: Path | None = None
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None


class Channel:
    """The channel in use, made anew when a certificate file has changed.

    Args:
        target: where to, and with what.

    Raises:
        InsecureTarget: a token, another machine and no certificate authority.
    """

    def __init__(self, target: ServerTarget) -> None:
        if target.token_file and target.ca_file is None and not _is_loopback(target.address):
            raise InsecureTarget(
                f"the token would travel to {target.address} in plain text: give --tls-ca FILE"
            )
        self._target = target
        self._stamp: tuple[float, ...] = ()
        self._channel: grpc.aio.Channel | None = None

    async def current(self) -> grpc.aio.Channel:
        """Returns the channel to use for the next call.

        Raises:
            OSError: a file is missing or cannot be read.
        """
        stamp = tuple(path.stat().st_mtime for path in self._files())
        if self._channel is None or stamp != self._stamp:
            old, self._channel, self._stamp = self._channel, self._open(), stamp
            if old is not None:
                await old.close()
        return self._channel

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Returns the call's metadata, with the token as it is in its file now.

        Raises:
            OSError: the file is missing or cannot be read.
        """
        if self._target.token_file is None:
            return ()
        token = self._target.token_file.read_text(encoding="utf-8").strip()
        return (("authorization", f"Bearer {token}"),)

    async def close(self) -> None:
        """Ends the channel."""
        if self._channel is not None:
            await self._channel.close()
            self._channel = None

    def _files(self) -> tuple[Path, ...]:
        target = self._target
        files = (target.ca_file, target.certificate_file, target.key_file)
        return tuple(path for path in files if path is not None)

    def _open(self) -> grpc.aio.Channel:
        target = self._target
        if target.ca_file is None:
            return grpc.aio.insecure_channel(target.address, options=_OPTIONS)
        credentials = grpc.ssl_channel_credentials(
            root_certificates=target.ca_file.read_bytes(),
            private_key=target.key_file.read_bytes() if target.key_file else None,
            certificate_chain=(
                target.certificate_file.read_bytes() if target.certificate_file else None
            ),
        )
        return grpc.aio.secure_channel(target.address, credentials, options=_OPTIONS)


def _is_loopback(address: str) -> bool:
    """Whether `host:port` (or `unix:…`) stays on this machine."""
    if address.startswith("unix:"):
        return True
    host = address.rpartition(":")[0].strip("[]")
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
