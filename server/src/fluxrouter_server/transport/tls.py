"""TLS and mutual TLS from files, which may be replaced while the server runs.

Certificates are short-lived and whoever renews them (cert-manager, a sidecar, a cron job) replaces
files. At each handshake their states are compared; where one changed they are read anew. A pair
that does not fit together, such as a half written renewal, leaves the former one in use.
"""

import ssl
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import cast

import grpc
import structlog

__all__ = ["Pem", "TlsError", "TlsFiles", "file_states", "read_pem", "server_credentials"]

_log = structlog.get_logger(__name__)


class TlsError(ValueError):
    """The files cannot be used; the message says which and why."""


@dataclass(frozen=True, slots=True)
class TlsFiles:
    """Where certificates lie, all in PEM.

    Attributes:
        certificate: The server's, with its chain.
        key: The certificate's private key.
        client_ca: Who signs the certificates of clients; None does not ask for them. Where it is
            set, a client without one is turned away: mutual TLS.
    """

    certificate: Path
    key: Path
    client_ca: Path | None


def server_credentials(files: TlsFiles) -> grpc.ServerCredentials:
    """Returns what a secure port listens with, renewed by itself.

    Raises:
        TlsError: the files are missing, unreadable, or do not fit together.
    """
    renewal = _Renewal(files)
    return grpc.dynamic_ssl_server_credentials(
        renewal.current,
        cast("Callable[[], grpc.ServerCertificateConfiguration]", renewal.fetch),  # or None
        require_client_authentication=files.client_ca is not None,
    )


class _Renewal:
    """Reads the files when they have changed. grpc calls `fetch` on its own threads."""

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._state = file_states(files)
        self.current = _read(files)

    def fetch(self) -> grpc.ServerCertificateConfiguration | None:
        """Returns the new configuration; None where the former one stays in use."""
        try:
            state = file_states(self._files)
            if state == self._state:
                return None
            self._state = state
            configuration = _read(self._files)
        except TlsError as error:
            _log.error("tls_renewal_failed", error=str(error))
            return None
        _log.info("tls_renewed", certificate=str(self._files.certificate))
        return configuration


def file_states(files: TlsFiles) -> tuple[tuple[int, int, int], ...]:
    """Returns what differs when a file was replaced or rewritten; raises TlsError."""
    paths = (files.certificate, files.key, *([files.client_ca] if files.client_ca else []))
    try:
        stats = [path.stat() for path in paths]
    except OSError as error:
        raise TlsError(f"TLS: {error}") from error
    return tuple((stat.st_ino, stat.st_mtime_ns, stat.st_size) for stat in stats)


@dataclass(frozen=True, slots=True)
class Pem:
    """The content of the files; the key stays out of `repr`."""

    certificate: bytes
    key: bytes = field(repr=False)
    client_ca: bytes | None


def read_pem(files: TlsFiles) -> Pem:
    """Returns the content of files that fit together.

    Raises:
        TlsError: the files are missing, unreadable, or do not fit together.
    """
    _require_usable(files)
    try:
        return Pem(
            files.certificate.read_bytes(),
            files.key.read_bytes(),
            files.client_ca.read_bytes() if files.client_ca else None,
        )
    except OSError as error:
        raise TlsError(f"TLS: {error}") from error


def _read(files: TlsFiles) -> grpc.ServerCertificateConfiguration:
    pem = read_pem(files)
    return grpc.ssl_server_certificate_configuration(
        [(pem.key, pem.certificate)], root_certificates=pem.client_ca
    )


def _require_usable(files: TlsFiles) -> None:
    """Raises TlsError. The core of grpc takes any bytes, turning every client away later."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        context.load_cert_chain(files.certificate, files.key, password="")
    except (OSError, ssl.SSLError) as error:
        raise TlsError(
            f"TLS: certificate {files.certificate} and key {files.key} cannot be used: {error}; "
            "give a certificate chain and its unencrypted private key, both in PEM"
        ) from error
    if files.client_ca is not None:
        try:
            context.load_verify_locations(files.client_ca)
        except (OSError, ssl.SSLError) as error:
            raise TlsError(
                f"TLS: client CA {files.client_ca} cannot be used: {error}; "
                "give CA certificates in PEM"
            ) from error
