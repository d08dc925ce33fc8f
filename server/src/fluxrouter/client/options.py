"""How a client behaves."""

from dataclasses import dataclass, field
from pathlib import Path

import grpc

__all__ = ["Options"]


@dataclass(frozen=True, slots=True)
class Options:
    """How a client behaves.

    Attributes:
        credential: An API key or a service credential; empty: none.
        ca_file: Whom to trust, in PEM; None: plain text, unless there is a certificate.
        certificate_file: The client's own, for mutual TLS.
        key_file: Its private key.
        timeout_seconds: How long a call may take, retries included.
        waits_for_rates: Whether a call that is denied for its rate is tried again when the server
            says so, within the deadline; else it raises at once.
        coalesces: Whether concurrent calls travel together, on streams.
    """

    credential: str = field(default="", repr=False)
    ca_file: Path | None = None
    certificate_file: Path | None = None
    key_file: Path | None = None
    timeout_seconds: float = 5.0
    waits_for_rates: bool = False
    coalesces: bool = True

    def channel(self, address: str) -> grpc.aio.Channel:
        """Returns a channel to a server; raises OSError where a file cannot be read."""
        if self.ca_file is None and self.certificate_file is None:
            return grpc.aio.insecure_channel(address)
        credentials = grpc.ssl_channel_credentials(
            root_certificates=self.ca_file.read_bytes() if self.ca_file else None,
            private_key=self.key_file.read_bytes() if self.key_file else None,
            certificate_chain=(
                self.certificate_file.read_bytes() if self.certificate_file else None
            ),
        )
        return grpc.aio.secure_channel(address, credentials)

    def metadata(self) -> tuple[tuple[str, str], ...]:
        """Returns what goes along with each call."""
        return (("authorization", f"Bearer {self.credential}"),) if self.credential else ()
