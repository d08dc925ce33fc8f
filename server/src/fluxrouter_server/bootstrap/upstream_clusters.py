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
from fluxrouter_server.edge.upstreams import Upstream
from fluxrouter_server.services.ports.documents import CatalogStore
from fluxrouter_server.services.recurring import Recurring
from fluxrouter_server.settings import Settings
from fluxrouter_server.transport.envoy_clusters import ClusterPlan, EndpointPlan, cluster_file

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


def upstream_secrets(folder: Path | None) -> dict[str, str]:
    """Returns the credentials of upstreams, by the name of their variable.

    Args:
        folder: Holds a file for each, which come before the environment; None: there is none.
    """
    found = {name: text for name, text in os.environ.items() if name.startswith(CREDENTIAL_PREFIX)}
    if folder is not None and folder.is_dir():
        for path in folder.glob(f"{CREDENTIAL_PREFIX}*"):
            try:
                found[path.name] = path.read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError) as error:
                _log.error("upstream_credential_unreadable", file=str(path), reason=str(error))
    return found


@asynccontextmanager
async def upstream_clusters(
    catalogs: CatalogStore, directory: Path, settings: Settings, *, simulator_url: str
) -> AsyncIterator[Path]:
    """Writes the file, and again when its content changes, until left; yields its path.

    Args:
        catalogs: Where the catalog is read.
        directory: Where the file is written.
        settings: Where credentials are, and where this server is.
        simulator_url: Where models are answered whose upstream is not described; empty: nowhere.
    """
    path, authorities = directory / "clusters.json", _authorities()
    written: str | None = None

    def write() -> None:
        nonlocal written
        plans = [plan for plan, until in kept.items() if until > monotonic()]
        plans.sort(key=lambda plan: plan.name)
        text = json.dumps(cluster_file(plans, authorities))
        if text != written:
            write_private(path, text)
            written = text

    async def follow() -> None:
        record = await catalogs.get_catalog()
        if record is None:
            return
        secrets = upstream_secrets(settings.upstream_credentials)
        upstreams = upstreams_of(record.catalog, secrets, simulator_url)
        until = monotonic() + _KEEP_SECONDS
        kept.update({_plan(one, settings.zone): until for one in upstreams.values()})
        write()
        for name in record.catalog.upstreams.keys() - upstreams.keys() - warned:
            warned.add(name)
            _log.warning("upstream_without_credential", upstream=name)

    warned: set[str] = set()
    kept: dict[ClusterPlan, float] = {}
    write()
    following = Recurring("follow the upstreams", follow, interval_seconds=CATALOG_SECONDS)
    await following.run_once()
    following.start()
    try:
        yield path
    finally:
        await following.stop()


def _plan(upstream: Upstream, zone: str) -> ClusterPlan:
    endpoints = []
    for one in upstream.endpoints:
        host, _, port = one.address.rpartition(":")
        is_near = not zone or one.zone in ("", zone)
        endpoints.append(EndpointPlan(host, int(port), one.weight, is_near))
    return ClusterPlan(cluster_name(upstream), upstream.base_url, tuple(endpoints))


def _authorities() -> Path:
    """Returns where this machine keeps whom it trusts; SSL_CERT_FILE says otherwise."""
    paths = ssl.get_default_verify_paths()
    known = [Path(path) for path in (paths.cafile, *_BUNDLES) if path]
    return next((path for path in known if path.is_file()), Path(paths.openssl_cafile))
