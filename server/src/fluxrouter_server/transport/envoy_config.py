"""The configuration of one Envoy worker, as a pure function of what it is told.

One port takes everything: calls of the hot services are served by Python inside this process, all
others are passed on to grpc.aio behind a unix socket. The names of extensions and fields are those
of https://www.envoyproxy.io/docs/envoy/latest/api-v3/api.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, TypeAlias

__all__ = ["EnvoyPlan", "certificate_secret", "client_ca_secret", "envoy_config"]

#: Protobuf messages of Envoy's in their JSON form.
Config: TypeAlias = dict[str, Any]

_API: Final = "type.googleapis.com/envoy"
_FILTERS: Final = f"{_API}.extensions.filters"
_REST: Final = "grpc_aio"
_CERTIFICATE: Final = "server_certificate"
_CLIENT_CA: Final = "client_ca"

#: What one stream may have on its way to us. Python that does not ask for more stops the sender.
_STREAM_WINDOW_BYTES: Final = 256 * 1024
#: What all streams of a connection may, together.
_CONNECTION_WINDOW_BYTES: Final = 1024 * 1024
#: What Envoy keeps of a connection before it stops reading from whoever fills it.
_BUFFER_BYTES: Final = 1024 * 1024
#: Streams of one connection; a client that wants more opens another one. It bounds what one client
#: can make us hold.
_MAX_STREAMS: Final = 1024
#: Connections of one worker; the next is closed at once.
_MAX_CONNECTIONS: Final = 20_000
#: A client without a sign of life is asked for one, and dropped when none comes: half-open ones.
_KEEPALIVE: Final = "60s"
_KEEPALIVE_ANSWER: Final = "20s"
#: Whoever opens a stream and does not say what it wants.
_HEADERS_SECONDS: Final = "10s"
#: Calls that may wait for grpc.aio, which bounds itself; Envoy's default of 1,024 would refuse
#: streams that it holds open.
_NO_LIMIT: Final = 1_000_000


@dataclass(frozen=True, slots=True)
class EnvoyPlan:
    """What one worker is.

    Attributes:
        host: IP address to listen on.
        port: Port to listen on; other workers share it.
        hot_prefixes: Beginnings of paths that are served in this process, such as `/a.b.Service/`.
        module: The library that runs Python inside Envoy.
        app: `module:attribute` of the ASGI application.
        rest_socket: Unix socket of the process that serves everything else.
        admin_socket: Unix socket of Envoy's own interface, by which it is drained and ended.
        certificate_file: Holds a `certificate_secret`; None serves plain text.
        client_ca_file: Holds a `client_ca_secret`; None does not ask for clients' certificates.
        clusters_file: Holds the clusters of upstreams; None: no upstream is called.
    """

    host: str
    port: int
    hot_prefixes: Sequence[str]
    module: Path
    app: str
    rest_socket: Path
    admin_socket: Path
    certificate_file: Path | None = None
    client_ca_file: Path | None = None
    clusters_file: Path | None = None


def envoy_config(plan: EnvoyPlan) -> Config:
    """Returns the configuration; written as JSON it is what `envoy --config-path` takes."""
    config: Config = {
        "node": {"id": "fluxrouter", "cluster": "fluxrouter"},  # asked for where secrets are read
        "admin": {"address": {"pipe": {"path": str(plan.admin_socket), "mode": 0o600}}},
        "overload_manager": {
            "resource_monitors": [
                {
                    "name": "envoy.resource_monitors.global_downstream_max_connections",
                    "typed_config": {
                        "@type": f"{_API}.extensions.resource_monitors.downstream_connections.v3"
                        ".DownstreamConnectionsConfig",
                        "max_active_downstream_connections": _MAX_CONNECTIONS,
                    },
                }
            ]
        },
        "static_resources": {"listeners": [_listener(plan)], "clusters": [_rest_cluster(plan)]},
    }
    if plan.clusters_file is not None:
        config["dynamic_resources"] = {"cds_config": _file_source(plan.clusters_file)}
    return config


def certificate_secret(certificate: bytes, key: bytes) -> Config:
    """Returns the content of a file with the server's certificate, both parts in PEM.

    Envoy reads it anew when it is replaced.
    """
    pair = {
        "certificate_chain": {"inline_string": certificate.decode("ascii")},
        "private_key": {"inline_string": key.decode("ascii")},
    }
    return _secret(_CERTIFICATE, {"tls_certificate": pair})


def client_ca_secret(client_ca: bytes) -> Config:
    """Returns the content of a file with the authorities of clients' certificates, in PEM."""
    authorities = {"trusted_ca": {"inline_string": client_ca.decode("ascii")}}
    return _secret(_CLIENT_CA, {"validation_context": authorities})


def _secret(name: str, content: Config) -> Config:
    kind = f"{_API}.extensions.transport_sockets.tls.v3.Secret"
    return {"resources": [{"@type": kind, "name": name, **content}]}


def _listener(plan: EnvoyPlan) -> Config:
    chain: Config = {
        "filters": [
            {
                "name": "envoy.filters.network.http_connection_manager",
                "typed_config": _connection_manager(plan),
            }
        ]
    }
    if plan.certificate_file is not None:
        chain["transport_socket"] = _tls(plan.certificate_file, plan.client_ca_file)
    return {
        "name": "grpc",
        "address": {"socket_address": {"address": plan.host, "port_value": plan.port}},
        "enable_reuse_port": True,
        "per_connection_buffer_limit_bytes": _BUFFER_BYTES,
        "filter_chains": [chain],
    }


def _connection_manager(plan: EnvoyPlan) -> Config:
    return {
        "@type": f"{_FILTERS}.network.http_connection_manager.v3.HttpConnectionManager",
        "stat_prefix": "grpc",
        # Each of these spares work that nobody reads.
        "generate_request_id": False,
        "skip_xff_append": True,
        "server_header_transformation": "PASS_THROUGH",
        # Streams may be silent for hours; keep-alive finds those whose client is gone.
        "stream_idle_timeout": "0s",
        "request_headers_timeout": _HEADERS_SECONDS,
        "http2_protocol_options": {
            "max_concurrent_streams": _MAX_STREAMS,
            "initial_stream_window_size": _STREAM_WINDOW_BYTES,
            "initial_connection_window_size": _CONNECTION_WINDOW_BYTES,
            "connection_keepalive": {"interval": _KEEPALIVE, "timeout": _KEEPALIVE_ANSWER},
        },
        "route_config": {
            "virtual_hosts": [
                {
                    "name": "all",
                    "domains": ["*"],
                    "routes": [
                        # Deadlines are grpc.aio's business, which reads them from the call.
                        {
                            "match": {"prefix": "/"},
                            "route": {"cluster": _REST, "timeout": "0s"},
                        }
                    ],
                }
            ]
        },
        "http_filters": [
            _hot_filter(plan),
            {
                "name": "envoy.filters.http.router",
                "typed_config": {
                    "@type": f"{_FILTERS}.http.router.v3.Router",
                    "suppress_envoy_headers": True,
                },
            },
        ],
    }


def _hot_filter(plan: EnvoyPlan) -> Config:
    """Returns the filter that ends hot calls in Python and lets all others through."""
    python = {
        "name": "pyvoy",
        "typed_config": {
            "@type": f"{_FILTERS}.http.dynamic_modules.v3.DynamicModuleFilter",
            "dynamic_module_config": {"module": {"local": {"filename": str(plan.module)}}},
            "filter_name": "pyvoy",
            "terminal_filter": True,
            "filter_config": {
                "@type": "type.googleapis.com/google.protobuf.StringValue",
                # An application that does not start must end Envoy, so `lifespan` is required.
                "value": json.dumps({"app": plan.app, "interface": "asgi", "lifespan": True}),
            },
        },
    }
    action = {
        "name": "composite_action",
        "typed_config": {
            "@type": f"{_FILTERS}.http.composite.v3.ExecuteFilterAction",
            "typed_config": python,
        },
    }
    matchers = [
        {
            "predicate": {
                "or_matcher": {
                    "predicate": [
                        {
                            "single_predicate": {
                                "input": {
                                    "name": "path",
                                    "typed_config": {
                                        "@type": f"{_API}.type.matcher.v3"
                                        ".HttpRequestHeaderMatchInput",
                                        "header_name": ":path",
                                    },
                                },
                                "value_match": {"prefix": prefix},
                            }
                        }
                        for prefix in plan.hot_prefixes
                    ]
                }
            },
            "on_match": {"action": action},
        }
    ]
    return {
        "name": "envoy.filters.http.composite",
        "typed_config": {
            "@type": f"{_API}.extensions.common.matching.v3.ExtensionWithMatcher",
            "extension_config": {
                "name": "envoy.filters.http.composite",
                "typed_config": {"@type": f"{_FILTERS}.http.composite.v3.Composite"},
            },
            "xds_matcher": {"matcher_list": {"matchers": matchers}},
        },
    }


def _rest_cluster(plan: EnvoyPlan) -> Config:
    return {
        "name": _REST,
        "connect_timeout": "1s",
        "circuit_breakers": {
            "thresholds": [
                {"max_pending_requests": _NO_LIMIT, "max_requests": _NO_LIMIT},
            ]
        },
        "typed_extension_protocol_options": {
            "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                "@type": f"{_API}.extensions.upstreams.http.v3.HttpProtocolOptions",
                "explicit_http_config": {"http2_protocol_options": {}},
            }
        },
        "load_assignment": {
            "cluster_name": _REST,
            "endpoints": [
                {
                    "lb_endpoints": [
                        {"endpoint": {"address": {"pipe": {"path": str(plan.rest_socket)}}}}
                    ]
                }
            ],
        },
    }


def _tls(certificate_file: Path, client_ca_file: Path | None) -> Config:
    common: Config = {
        "alpn_protocols": ["h2", "http/1.1"],
        "tls_certificate_sds_secret_configs": [_secret_source(_CERTIFICATE, certificate_file)],
    }
    if client_ca_file is not None:
        common["validation_context_sds_secret_config"] = _secret_source(_CLIENT_CA, client_ca_file)
    return {
        "name": "envoy.transport_sockets.tls",
        "typed_config": {
            "@type": f"{_API}.extensions.transport_sockets.tls.v3.DownstreamTlsContext",
            "require_client_certificate": client_ca_file is not None,
            "common_tls_context": common,
        },
    }


def _secret_source(name: str, file: Path) -> Config:
    """Returns where Envoy reads a secret, and reads it again; a file holds one."""
    return {"name": name, "sds_config": _file_source(file)}


def _file_source(file: Path) -> Config:
    """Returns how Envoy reads a file, and reads it again whenever it is replaced."""
    return {"path_config_source": {"path": str(file)}, "resource_api_version": "V3"}
