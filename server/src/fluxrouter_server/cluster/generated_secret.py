"""What an installation keeps secret and nobody gave it: made at the first start, kept in a Secret.

The chart makes the Secret without any data, so that rendering it again changes nothing. Whichever
pod comes first fills it; all others find it filled.
"""

import asyncio
import base64
import json
import secrets
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

import aiohttp

from fluxrouter_server.cluster.self_signed import self_signed

if TYPE_CHECKING:
    from kubernetes.aio.client import ApiClient

__all__ = ["SecretUnusable", "fill_secret"]

_CALL_SECONDS: Final = 10.0
_OK, _CONFLICT = 200, 409
_PASSWORD_BYTES: Final = 32
#: Each try that fails means that another pod has written.
_TRIES: Final = 5


class SecretUnusable(RuntimeError):
    """The Secret cannot be read or written; the message says why."""


async def fill_secret(
    api: "ApiClient",
    *,
    namespace: str,
    name: str,
    dns_names: Sequence[str],
    store: str,
    now: datetime,
) -> Mapping[str, bytes]:
    """Makes what a Secret lacks, and returns what it holds then.

    Args:
        api: connected to the cluster.
        namespace: of the Secret, which is there.
        name: of the Secret.
        dns_names: of the certificate, `tls.crt` with `tls.key` and `ca.crt`; none makes none.
        store: `host:port` of a Valkey whose password, in `valkey-password.conf`, and URL,
            `store-url`, are to be made; empty makes none.
        now: aware.

    Raises:
        SecretUnusable: it is not there, or may not be written.
    """
    path = f"/api/v1/namespaces/{namespace}/secrets/{name}"
    for _ in range(_TRIES):
        found = await _call(api, "GET", path, None)
        held = {key: base64.b64decode(text) for key, text in (found.get("data") or {}).items()}
        missing = _missing(held, dns_names=dns_names, store=store, now=now)
        if not missing:
            return held
        data = {key: base64.b64encode(value).decode("ascii") for key, value in missing.items()}
        # With its resourceVersion: refused where another pod was quicker.
        filled = {**found, "data": {**(found.get("data") or {}), **data}}
        if await _call(api, "PUT", path, filled):
            return {**held, **missing}
    raise SecretUnusable(f"Secret {namespace}/{name} changes all the time; see who writes it")


def _missing(
    held: Mapping[str, bytes], *, dns_names: Sequence[str], store: str, now: datetime
) -> dict[str, bytes]:
    missing: dict[str, bytes] = {}
    if dns_names and not {"tls.crt", "tls.key", "ca.crt"} <= set(held):
        made = self_signed(dns_names, now)
        missing |= {"tls.crt": made.certificate, "tls.key": made.key, "ca.crt": made.authority}
    if store and not {"store-url", "valkey-password.conf"} <= set(held):
        password = secrets.token_hex(_PASSWORD_BYTES)
        missing |= {
            "store-url": f"valkey://:{password}@{store}".encode(),
            "valkey-password.conf": f"requirepass {password}\n".encode(),
        }
    return missing


async def _call(api: "ApiClient", method: str, path: str, body: object) -> dict[str, Any]:
    """Returns the answer; an empty one where the object was changed by somebody else."""
    parameters = await api.param_serialize(
        method,
        path,
        header_params={"Accept": "application/json", "Content-Type": "application/json"},
        body=body,
        auth_settings=["BearerToken"],
    )
    try:
        response = await api.call_api(*parameters, _request_timeout=_CALL_SECONDS)
        content: bytes = await response.read()  # type: ignore[no-untyped-call]
    except (aiohttp.ClientError, TimeoutError, OSError, asyncio.IncompleteReadError) as error:
        raise SecretUnusable("the Kubernetes API server does not answer; try again") from error
    if response.status == _CONFLICT:
        return {}
    answer: dict[str, Any] = json.loads(content)
    if response.status != _OK:
        raise SecretUnusable(f"{method} {path}: {answer.get('message', response.status)}")
    return answer
