"""Values that cannot be meant are refused with the remedy, before anything reaches a cluster."""

from typing import Any

import pytest

from fluxrouter_testing.chart import HelmError, render

_CALLER = {"name": "gateway", "scopes": ["route"], "sha256": "0" * 64}
_NO_CALLERS = {"operator": {"enabled": False}, "test": {"enabled": False}}


@pytest.mark.parametrize(
    "values, told",
    [
        ({"replicas": 3}, "additional properties 'replicas' not allowed"),
        ({"server": {"replicaCount": 3}}, "additional properties 'replicaCount' not allowed"),
        ({"tls": {"mode": "off"}}, "'generated', 'certManager', 'secret', 'none'"),
        ({"store": {"url": "valkey://:password@host:6379"}}, "/store/url"),
        ({"store": {"url": "mysql://host"}}, "/store/url"),
        ({"image": {"digest": "abc"}}, "/image/digest"),
        ({"server": {"drain": {"pauseSeconds": 0}}}, "/server/drain/pauseSeconds"),
        ({"server": {"credentials": [{**_CALLER, "secret": "x"}]}}, "'secret' not allowed"),
        ({"server": {"credentials": [{**_CALLER, "scopes": ["all"]}]}}, "/scopes/0"),
        ({"networkPolicy": {"clients": [{"cidr": "0.0.0.0/0"}]}}, "'cidr' not allowed"),
    ],
    ids=str,
)
def test_the_schema_names_what_is_wrong(values: dict[str, Any], told: str) -> None:
    with pytest.raises(HelmError, match="values don't meet") as refused:
        render(values)

    assert told in str(refused.value)


@pytest.mark.parametrize(
    "values, told",
    [
        ({"tls": {"mode": "secret"}}, "tls.existingSecret: tls.mode is `secret`; name the Secret"),
        ({"tls": {"existingSecret": "mine"}}, "set tls.mode=secret, or leave it out"),
        ({"tls": {"mode": "certManager"}}, "tls.issuer.name: tls.mode is `certManager`"),
        ({"tls": {"mode": "none"}}, "would send tokens in plain text"),
        (
            {"store": {"url": "valkey://host", "existingSecret": "mine"}},
            "store.url: store.existingSecret names the store already",
        ),
        (
            {"server": {"credentials": [_CALLER], "credentialsSecret": "mine"}},
            "server.credentials: server.credentialsSecret takes their place",
        ),
        ({"store": {"durability": "replicated"}}, "store: the trial's Valkey has neither TLS nor"),
        (_NO_CALLERS, "server.credentials: without operator and test nobody may call"),
        ({"server": {"transport": "grpc"}}, "set server.edge.enabled=false"),
        (
            {"server": {"autoscaling": {"enabled": True, "minReplicas": 11}}},
            "server.autoscaling.maxReplicas: is less than minReplicas",
        ),
    ],
    ids=str,
)
def test_values_that_contradict_each_other_are_refused(values: dict[str, Any], told: str) -> None:
    with pytest.raises(HelmError) as refused:
        render(values)

    assert told in str(refused.value)
