import pytest

from fluxrouter_server.domain.catalog import Upstream, UpstreamEndpoint
from fluxrouter_server.domain.upstream_rules import validate_upstreams

SOUND = Upstream("openai", "https://api.openai.com/v1", "FLUXROUTER_UPSTREAM_OPENAI", 600)


def at(*endpoints: UpstreamEndpoint) -> Upstream:
    return Upstream("a", SOUND.base_url, "", 600, endpoints)


def test_sound_upstreams_are_accepted() -> None:
    local = Upstream("local.1", "http://127.0.0.1:8000", "", 1)
    spread = at(
        UpstreamEndpoint("10.0.0.7:8000", 1, "eu-1a"), UpstreamEndpoint("b.test:1", 128, "")
    )
    assert not list(validate_upstreams([SOUND, local, spread]))


@pytest.mark.parametrize(
    "upstream,field",
    [
        (Upstream("Open AI", SOUND.base_url, "", 600), "name"),
        (Upstream("a", "", "", 600), "baseUrl"),
        (Upstream("a", "ftp://host", "", 600), "baseUrl"),
        (Upstream("a", "https://host/", "", 600), "baseUrl"),
        (Upstream("a", "https://user:pw@host", "", 600), "baseUrl"),
        (Upstream("a", "https://host/v1?x=y", "", 600), "baseUrl"),
        (Upstream("a", "https://host\r\nx: y", "", 600), "baseUrl"),
        (Upstream("a", SOUND.base_url, "AWS_SECRET_ACCESS_KEY", 600), "credentialVariable"),
        (Upstream("a", SOUND.base_url, "FLUXROUTER_UPSTREAM_", 600), "credentialVariable"),
        (Upstream("a", SOUND.base_url, "", 0), "timeoutSeconds"),
        (Upstream("a", SOUND.base_url, "", 3601), "timeoutSeconds"),
        (at(UpstreamEndpoint("10.0.0.7", 1, "")), "endpoints[0].address"),
        (at(UpstreamEndpoint("http://10.0.0.7:80", 1, "")), "endpoints[0].address"),
        (at(UpstreamEndpoint("host:65536", 1, "")), "endpoints[0].address"),
        (at(UpstreamEndpoint("host:80", 0, "")), "endpoints[0].weight"),
        (at(UpstreamEndpoint("host:80", 129, "")), "endpoints[0].weight"),
        (at(UpstreamEndpoint("host:80", 1, "Zone A")), "endpoints[0].zone"),
    ],
)
def test_a_wrong_field_is_refused_by_name(upstream: Upstream, field: str) -> None:
    (violation,) = validate_upstreams([SOUND, upstream])
    assert violation.field == f"spec.upstreams[1].{field}"
    assert "use " in violation.description or "name a " in violation.description
