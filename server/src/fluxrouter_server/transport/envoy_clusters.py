"""Envoy's clusters for the upstreams that the HTTP edge calls, as a pure function.

They come to Envoy in a file of their own, which it reads again when it is replaced: a catalog with
another upstream takes effect while requests go on. The names of extensions and fields are those of
https://www.envoyproxy.io/docs/envoy/latest/api-v3/config/cluster/v3/cluster.proto.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import ip_address
from pathlib import Path
from typing import Any, Final, TypeAlias
from urllib.parse import urlsplit

__all__ = ["ClusterPlan", "EndpointPlan", "cluster_file"]

#: Protobuf messages of Envoy's in their JSON form.
Config: TypeAlias = dict[str, Any]

_API: Final = "type.googleapis.com/envoy"
_HTTP_OPTIONS: Final = "envoy.extensions.upstreams.http.v3.HttpProtocolOptions"
_HTTPS_PORT: Final = 443
_HTTP_PORT: Final = 80
#: So many failures in a row, and one of several endpoints is left alone for a while.
_MOST_FAILURES: Final = 3
_EJECTION: Final = "5s"
#: Streams of answers are open for minutes; Envoy's default of 1,024 would refuse the next one.
_NO_LIMIT: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class EndpointPlan:
    """One address of an upstream.

    Attributes:
        host: Name or IP address.
        port: Its port.
        weight: Its share of the requests.
        is_near: Whether it is called while any that is near can be.
    """

    host: str
    port: int
    weight: int = 1
    is_near: bool = True


@dataclass(frozen=True, slots=True)
class ClusterPlan:
    """One upstream.

    Attributes:
        name: Of the cluster.
        base_url: Valid as the catalog's rules say.
        endpoints: Where it listens; none: at the host of its base URL.
    """

    name: str
    base_url: str
    endpoints: Sequence[EndpointPlan] = ()


def cluster_file(clusters: Iterable[ClusterPlan], authorities: Path) -> Config:
    """Returns the content of the file.

    Args:
        clusters: One for each upstream.
        authorities: Certificates in PEM of those who sign the upstreams' own.
    """
    return {
        "resources": [
            {"@type": f"{_API}.config.cluster.v3.Cluster", **_cluster(plan, authorities)}
            for plan in clusters
        ]
    }


def _cluster(plan: ClusterPlan, authorities: Path) -> Config:
    url = urlsplit(plan.base_url)
    host, is_tls = url.hostname or "", url.scheme == "https"
    own = EndpointPlan(host, url.port or (_HTTPS_PORT if is_tls else _HTTP_PORT))
    endpoints = plan.endpoints or (own,)
    cluster: Config = {
        "name": plan.name,
        **_discovery(endpoints),
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
        "load_assignment": {"cluster_name": plan.name, "endpoints": _localities(endpoints)},
    }
    if is_tls:
        cluster["transport_socket"] = _tls(host, authorities)
    return cluster


def _discovery(endpoints: Sequence[EndpointPlan]) -> Config:
    """How addresses are found, and what becomes of one of several that fails."""
    if len(endpoints) == 1:
        return {"type": "STATIC" if _is_ip(endpoints[0].host) else "LOGICAL_DNS"}
    return {
        "type": "STATIC" if all(_is_ip(one.host) for one in endpoints) else "STRICT_DNS",
        "outlier_detection": {
            "consecutive_5xx": _MOST_FAILURES,
            "consecutive_gateway_failure": _MOST_FAILURES,
            "enforcing_consecutive_gateway_failure": 100,
            "base_ejection_time": _EJECTION,
            "interval": "1s",
            "max_ejection_percent": 100,
        },
        # Else all are called again as soon as half of them are ejected.
        "common_lb_config": {"healthy_panic_threshold": {"value": 0}},
    }


def _localities(endpoints: Sequence[EndpointPlan]) -> list[Config]:
    """Near ones first; where none is near, all are as good."""
    near = [one for one in endpoints if one.is_near]
    far = [one for one in endpoints if not one.is_near]
    return [
        {"priority": priority, "lb_endpoints": [_endpoint(one) for one in group]}
        for priority, group in enumerate(group for group in (near, far) if group)
    ]


def _endpoint(one: EndpointPlan) -> Config:
    address = {"socket_address": {"address": one.host, "port_value": one.port}}
    return {"endpoint": {"address": address}, "load_balancing_weight": one.weight}


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
