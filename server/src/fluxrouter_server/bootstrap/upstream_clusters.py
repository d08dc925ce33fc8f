"""Keeps the file with Envoy's clusters like the catalog's upstreams."""

import json
import os
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from time import monotonic
from typing import Final

import structlog

from fluxrouter_server.bootstrap.private_files import write_private
from fluxrouter_server.domain.upstream_rules import CREDENTIAL_PREFIX
from fluxrouter_server.edge.directory import upstreams_of
from fluxrouter_server.edge.envoy_calls import cluster_name
from fluxrouter_server.services.ports.documents import CatalogStore
from fluxrouter_server.services.recurring import Recurring
from fluxrouter_server.transport.envoy_clusters import cluster_file

__all__ = ["CATALOG_SECONDS", "upstream_clusters", "upstream_secrets"]

_log = structlog.get_logger(__name__)

#: How often the catalog is looked at.
CATALOG_SECONDS: Final = 1.0
#: A cluster stays for so long after its upstream is gone: longer than any answer may take.
_KEEP_SECONDS: Final = 2 * 3600.0
#: Where distributions keep their bundle, for a Python that was built elsewhere and does not know.
_BUNDLES: Final = (
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/ssl/cert.pem",
)


def upstream_secrets() -> dict[str, str]:
    """Returns the credentials of upstreams, by the name of their variable."""
    return {name: text for name, text in os.environ.items() if name.startswith(CREDENTIAL_PREFIX)}


@asynccontextmanager
async def upstream_clusters(
    catalogs: CatalogStore, directory: Path, *, simulator_url: str
) -> AsyncIterator[Path]:
    """Writes the file, and again when its content changes, until left; yields its path.

    Args:
        catalogs: Where the catalog is read.
        directory: Where the file is written.
        simulator_url: Where models are answered whose upstream is not described; empty: nowhere.
    """
    path, secrets = directory / "clusters.json", upstream_secrets()
    authorities = _authorities()
    written: str | None = None

    def write() -> None:
        nonlocal written
        base_urls = {
            name: url for (name, url), until in sorted(kept.items()) if until > monotonic()
        }
        text = json.dumps(cluster_file(base_urls, authorities))
        if text != written:
            write_private(path, text)
            written = text

    async def follow() -> None:
        record = await catalogs.get_catalog()
        if record is None:
            return
        upstreams = upstreams_of(record.catalog, secrets, simulator_url)
        until = monotonic() + _KEEP_SECONDS
        kept.update({(cluster_name(one), one.base_url): until for one in upstreams.values()})
        write()
        for name in record.catalog.upstreams.keys() - upstreams.keys() - warned:
            warned.add(name)
            _log.warning("upstream_without_credential", upstream=name)

    warned: set[str] = set()
    kept: dict[tuple[str, str], float] = {}
    write()
    following = Recurring("follow the upstreams", follow, interval_seconds=CATALOG_SECONDS)
    await following.run_once()
    following.start()
    try:
        yield path
    finally:
        await following.stop()


def _authorities() -> Path:
    """Returns where this machine keeps whom it trusts; SSL_CERT_FILE says otherwise."""
    paths = ssl.get_default_verify_paths()
    known = [Path(path) for path in (paths.cafile, *_BUNDLES) if path]
    return next((path for path in known if path.is_file()), Path(paths.openssl_cafile))
