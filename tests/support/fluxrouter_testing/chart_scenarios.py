"""Values as people give them to the chart, by what they are for."""

from collections.abc import Mapping
from typing import Any, Final

__all__ = ["SCENARIOS", "STAND_INS"]

_CALLER: Final = {"name": "gateway", "scopes": ["route"], "sha256": "0" * 64}

SCENARIOS: Final[Mapping[str, Mapping[str, Any]]] = {
    "trial": {},
    "production": {
        "image": {"repository": "registry.example/fluxrouter", "digest": f"sha256:{'a' * 64}"},
        "store": {
            "existingSecret": "store",
            "caSecret": "store-ca",
            "certificateSecret": "store-client",
            "durability": "replicated",
            "replicas": 2,
        },
        "ledger": {"existingSecret": "ledger", "filesSecret": "ledger-files"},
        "server": {
            "replicas": 4,
            "workers": 2,
            "edge": {"upstreamSecrets": ["providers"]},
            "autoscaling": {"enabled": True, "minReplicas": 4, "maxReplicas": 20},
            "credentials": [_CALLER],
            "tolerations": [{"key": "gateway", "operator": "Exists"}],
        },
        "tls": {"mode": "secret", "existingSecret": "certificate"},
        "networkPolicy": {
            "clients": [{"podSelector": {"matchLabels": {"calls": "fluxrouter"}}}],
            "scrapers": [{"namespaceSelector": {"matchLabels": {"team": "monitoring"}}}],
        },
        "metrics": {
            "serviceMonitor": {"enabled": True, "labels": {"release": "prometheus"}},
            "prometheusRule": {
                "enabled": True,
                "groups": [{"name": "mine", "rules": [{"alert": "A", "expr": "up == 0"}]}],
            },
            "dashboards": {"enabled": True},
        },
    },
    "edge-off": {"server": {"edge": {"enabled": False}, "transport": "grpc"}},
    "operator-off": {"operator": {"enabled": False}, "server": {"credentials": [_CALLER]}},
    "cert-manager": {"tls": {"mode": "certManager", "issuer": {"name": "internal"}}},
    "mesh": {
        "operator": {"enabled": False},
        "test": {"enabled": False},
        "tls": {"mode": "none"},
        "store": {"url": "valkey://store.example:6379"},
        "ledger": {"existingSecret": "ledger"},
        "server": {"credentials": [_CALLER]},
    },
    "two-namespaces": {
        "operator": {"namespaces": ["team-a", "team-b"]},
        "crds": {"install": False},
        "valkey": {"persistence": {"enabled": False}},
        "ledger": {"persistence": {"enabled": False}},
        "networkPolicy": {"enabled": False},
    },
}


def _stand_in(group: str, version: str, kind: str) -> dict[str, Any]:
    plural = f"{kind.lower()}s"
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.{group}"},
        "spec": {
            "group": group,
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural, "singular": kind.lower()},
            "versions": [
                {
                    "name": version,
                    "served": True,
                    "storage": True,
                    "schema": {
                        "openAPIV3Schema": {
                            "type": "object",
                            "x-kubernetes-preserve-unknown-fields": True,
                        }
                    },
                }
            ],
        },
    }


#: Definitions of other projects' kinds, which take anything.
STAND_INS: Final = (
    _stand_in("cert-manager.io", "v1", "Certificate"),
    _stand_in("monitoring.coreos.com", "v1", "ServiceMonitor"),
    _stand_in("monitoring.coreos.com", "v1", "PrometheusRule"),
)
