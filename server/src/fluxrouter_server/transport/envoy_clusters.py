"""Envoy's clusters for the upstreams that the HTTP edge calls, as a pure function.

They come to Envoy in a file of their own, which it reads again when it is replaced: a catalog with
another upstream takes effect while requests go on. The names of extensions and fields are those of
https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/cluster/v3/cluster.proto.
"""

from collections.abc import Mapping
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

__all__ = ["cluster_file"]

#: Protobuf messages of Envoy's in their JSON form.
Config: TypeAlias = dict[str, Any]

_API: Final = "type.googleapis.com/envoy"
_HTTP_OPTIONS: Final = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_HTTPS_PORT: Final = 443
_HTTP_PORT: Final = 80
#: Streams of answers are open for minutes; Envoy's default of 1,024 would refuse the next one.
_NO_LIMIT: Final = 1_000_000


def cluster_file(base_urls: Mapping[str, str], authorities: Path) -> Config:
    """Returns the content of the file.

    Args:
        base_urls: Of the upstreams, by the name of the cluster; valid as the catalog's rules say.
        authorities: Certificates in PEM of those who sign the upstreams' own.
    """
    return {
        "resources": [
            {"@type": f"{_API}.config.cluster.v3.Cluster", **_cluster(name, url, authorities)}
            for name, url in base_urls.items()
        ]
    }


def _cluster(name: str, base_url: str, authorities: Path) -> Config:
    url = urlsplit(base_url)
    host, is_tls = url.hostname or "", url.scheme == "https"
    port = url.port or (_HTTPS_PORT if is_tls else _HTTP_PORT)
    address = {"socket_address": {"address": host, "port_value": port}}
    cluster: Config = {
        "name": name,
        "type": "STATIC" if _is_ip(host) else "LOGICAL_DNS",
        "dns_lookup_family": "V4_PREFERRED",
        "connect_timeout": "5s",
        "circuit_breakers": {
            "thresholds": [
                {
                    "max_connections": _NO_LIMIT,
                    "max_pending_requests": _NO_LIMIT,
                    "max_requests": _NO_LIMIT,
                }
            ]
        },
        "typed_extension_protocol_options": {
            _HTTP_OPTIONS: {"@type": f"type.googleapis.com/{_HTTP_OPTIONS}", **_protocol(is_tls)}
        },
        "load_assignment": {
            "cluster_name": name,
            "endpoints": [{"lb_endpoints": [{"endpoint": {"address": address}}]}],
        },
    }
    if is_tls:
        cluster["transport_socket"] = _tls(host, authorities)
    return cluster


def _protocol(is_tls: bool) -> Config:
    """HTTP/2 where the upstream offers it in its handshake."""
    if is_tls:
        return {"auto_config": {"http_protocol_options": {}, "http2_protocol_options": {}}}
    return {"explicit_http_config": {"http_protocol_options": {}}}


def _tls(host: str, authorities: Path) -> Config:
    kind = "IP_ADDRESS" if _is_ip(host) else "DNS"
    validation = {
        "trusted_ca": {"filename": str(authorities)},
        "match_typed_subject_alt_names": [{"san_type": kind, "matcher": {"exact": host}}],
    }
    context: Config = {
        "@type": f"{_API}.extensions.transport_sockets.tls.v3.UpstreamTlsContext",
        "common_tls_context": {"validation_context": validation},
    }
    if not _is_ip(host):
        context["sni"] = host
    return {"name": "envoy.transport_sockets.tls", "typed_config": context}


def _is_ip(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
