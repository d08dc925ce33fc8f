"""Keeps Envoy's copies of the certificates like the files, which may be replaced at any time.

Envoy notices a file only when it is renamed into place, and takes what it finds. Ours are rewritten
in whatever way people do, and a pair that does not fit must leave the former one in use; so they
are looked at, checked, and copied.
"""

import asyncio
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final, TypeAlias

import structlog

from fluxrouter_server.bootstrap.private_files import write_private
from fluxrouter_server.settings import Settings
from fluxrouter_server.transport.envoy_config import certificate_secret, client_ca_secret
from fluxrouter_server.transport.tls import TlsError, TlsFiles, file_states, read_pem

__all__ = ["Copies", "envoy_certificates"]

_log = structlog.get_logger(__name__)

#: How soon a new certificate is used.
_LOOK_SECONDS: Final = 1.0

#: The server's certificate, and the authorities of clients'; None where there is none.
Copies: TypeAlias = tuple[Path | None, Path | None]


@asynccontextmanager
async def envoy_certificates(settings: Settings, directory: Path) -> AsyncIterator[Copies]:
    """Makes the copies, and keeps them up to date until left.

    Raises:
        TlsError: the files are missing, unreadable, or do not fit together.
    """
    if settings.tls_cert is None or settings.tls_key is None:
        yield None, None
        return
    files = TlsFiles(settings.tls_cert, settings.tls_key, settings.tls_client_ca)
    state = file_states(files)
    certificate, client_ca = directory / "certificate.json", directory / "client-ca.json"
    _copy(files, certificate, client_ca)
    following = asyncio.create_task(
        _follow(files, state, certificate, client_ca), name="follow the certificates"
    )
    try:
        yield certificate, client_ca if files.client_ca else None
    finally:
        following.cancel()
        await asyncio.wait((following,))


async def _follow(files: TlsFiles, state: object, certificate: Path, client_ca: Path) -> None:
    while True:
        await asyncio.sleep(_LOOK_SECONDS)
        try:
            found = file_states(files)
            if found == state:
                continue
            state = found
            _copy(files, certificate, client_ca)
        except (TlsError, OSError) as error:
            _log.error("tls_renewal_failed", error=str(error))
        else:
            _log.info("tls_renewed", certificate=str(files.certificate))


def _copy(files: TlsFiles, certificate: Path, client_ca: Path) -> None:
    pem = read_pem(files)
    write_private(certificate, json.dumps(certificate_secret(pem.certificate, pem.key)))
    if pem.client_ca is not None:
        write_private(client_ca, json.dumps(client_ca_secret(pem.client_ca)))
