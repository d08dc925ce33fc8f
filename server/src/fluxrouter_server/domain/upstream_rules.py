"""What the catalog's upstreams must be like to be accepted."""

import re
from collections.abc import Collection, Iterator
from typing import Final

from fluxrouter_server.domain.catalog import Upstream, UpstreamEndpoint
from fluxrouter_server.domain.checks import at_most, in_range
from fluxrouter_server.domain.denials import FieldViolation
from fluxrouter_server.domain.names import shown

__all__ = ["CREDENTIAL_PREFIX", "MAX_UPSTREAMS", "validate_upstreams"]

MAX_UPSTREAMS: Final = 100
#: Whoever writes the catalog chooses where a credential is sent, so it may name nothing else of the
#: server's environment.
CREDENTIAL_PREFIX: Final = "FLUXROUTER_UPSTREAM_"

_MAX_TIMEOUT_SECONDS: Final = 3600
_MAX_ENDPOINTS: Final = 64
_MAX_WEIGHT: Final = 128  # what Envoy takes
_MAX_PORT: Final = 65_535
_ADDRESS: Final = re.compile(r"([A-Za-z0-9.-]{1,253}):([0-9]{1,5})", re.ASCII)
_MAX_URL_CHARACTERS: Final = 256
_MAX_VARIABLE_CHARACTERS: Final = 128
_NAME: Final = re.compile(r"[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?", re.ASCII)
_URL: Final = re.compile(r"https?://[A-Za-z0-9.-]+(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*", re.ASCII)
_VARIABLE: Final = re.compile(rf"{CREDENTIAL_PREFIX}[A-Z0-9_]+", re.ASCII)


def validate_upstreams(upstreams: Collection[Upstream]) -> Iterator[FieldViolation]:
    """Say what of the upstreams is wrong, each with its path and what would be right."""
    yield from at_most("spec.upstreams", upstreams, count=MAX_UPSTREAMS)
    for index, upstream in enumerate(upstreams):
        yield from _upstream(f"spec.upstreams[{index}]", upstream)


def _upstream(path: str, upstream: Upstream) -> Iterator[FieldViolation]:
    if not _NAME.fullmatch(upstream.name):
        yield FieldViolation(
            f"{path}.name",
            f"{shown(upstream.name)} is no name; use 1 to 63 lower-case letters, digits, - and .",
        )
    url = upstream.base_url
    if len(url) > _MAX_URL_CHARACTERS or not _URL.fullmatch(url):
        yield FieldViolation(
            f"{path}.baseUrl",
            f"{shown(url)} is no base URL; use http or https, a host and a path without a slash at "
            "its end, such as https://api.openai.com/v1",
        )
    variable = upstream.credential_variable
    if variable and (len(variable) > _MAX_VARIABLE_CHARACTERS or not _VARIABLE.fullmatch(variable)):
        yield FieldViolation(
            f"{path}.credentialVariable",
            f"{shown(variable)} cannot be used; name a variable that begins with "
            f"{CREDENTIAL_PREFIX}",
        )
    yield from at_most(f"{path}.endpoints", upstream.endpoints, count=_MAX_ENDPOINTS)
    for index, endpoint in enumerate(upstream.endpoints):
        yield from _endpoint(f"{path}.endpoints[{index}]", endpoint)
    yield from in_range(
        f"{path}.timeoutSeconds",
        upstream.timeout_seconds,
        low=1,
        high=_MAX_TIMEOUT_SECONDS,
        remedy=f"1 to {_MAX_TIMEOUT_SECONDS}, or 0 for 600",
    )


def _endpoint(path: str, endpoint: UpstreamEndpoint) -> Iterator[FieldViolation]:
    found = _ADDRESS.fullmatch(endpoint.address)
    if found is None or not 1 <= int(found[2]) <= _MAX_PORT:
        yield FieldViolation(
            f"{path}.address",
            f"{shown(endpoint.address)} is no address; use host:port, such as 10.0.0.7:8000",
        )
    yield from in_range(
        f"{path}.weight",
        endpoint.weight,
        low=1,
        high=_MAX_WEIGHT,
        remedy=f"1 to {_MAX_WEIGHT}, or 0 for 1",
    )
    if endpoint.zone and not _NAME.fullmatch(endpoint.zone):
        yield FieldViolation(
            f"{path}.zone",
            f"{shown(endpoint.zone)} is no zone; use lower-case letters, digits, - and .",
        )
