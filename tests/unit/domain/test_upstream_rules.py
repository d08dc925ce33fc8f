import pytest

from fluxrouter_server.domain.catalog import Upstream
from fluxrouter_server.domain.upstream_rules import validate_upstreams

SOUND = Upstream("openai", "https://api.openai.com/v1", "FLUXROUTER_UPSTREAM_OPENAI", 600)


def test_sound_upstreams_are_accepted() -> None:
    local = Upstream("local.1", "http://127.0.0.1:8000", "", 1)
    assert not list(validate_upstreams([SOUND, local]))


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
    ],
)
def test_a_wrong_field_is_refused_by_name(upstream: Upstream, field: str) -> None:
    (violation,) = validate_upstreams([SOUND, upstream])
    assert violation.field == f"spec.upstreams[1].{field}"
    assert "use " in violation.description or "name a " in violation.description
