"""What the work of an operator comes to: the state of both servers, without chance and time.

Two of these are equal where two operators did the same, whatever they went through.
"""

import base64
import hashlib
from collections.abc import Callable
from typing import Any, Final

from google.protobuf.json_format import MessageToDict

from fluxrouter.v1 import control_pb2
from fluxrouter_server.cli.session import CallRefused, Session
from fluxrouter_testing.kubernetes_api import KubernetesApi
from fluxrouter_testing.kubernetes_samples import API_VERSION, Document

__all__ = ["end_state"]

_KINDS: Final = {
    "plan": control_pb2.RESOURCE_KIND_PLAN,
    "account": control_pb2.RESOURCE_KIND_ACCOUNT,
}
_PAGE: Final = 1000


def end_state(
    api: KubernetesApi, session: Session, is_meant: Callable[[str], bool]
) -> dict[str, Any]:
    """Returns plans, accounts, keys and Secrets whose resource's name is meant."""
    in_cluster = {
        kind: [
            _shown(item)
            for item in api.call("GET", f"/apis/{API_VERSION}/{kind}s")["items"]
            if is_meant(item["metadata"]["name"])
        ]
        for kind in _KINDS
    }
    at_server = {
        kind: {name: spec for name, spec in _stored(session, kind) if is_meant(name)}
        for kind in _KINDS
    }
    return {
        "cluster": in_cluster,
        "server": at_server,
        "keys": {name: _active(session, name) for name in at_server["account"]},
        "secrets": _secrets(api, session, is_meant),
    }


def _shown(item: Document) -> Document:
    status = item.get("status", {})
    return {
        "name": item["metadata"]["name"],
        "spec": item["spec"],
        "finalizers": item["metadata"].get("finalizers", []),
        "deleting": "deletionTimestamp" in item["metadata"],
        "conditions": [
            (each["type"], each["status"], each["reason"]) for each in status.get("conditions", ())
        ],
        "accounts": status.get("accounts"),
        "keys": [
            (each["name"], each["secretName"], each.get("rotation", 0), "createTime" in each)
            for each in status.get("apiKeys", ())
        ],
        "cap": status.get("spend", {}).get("capUsd"),
    }


def _stored(session: Session, kind: str) -> list[tuple[str, Any]]:
    request = control_pb2.ListRequest(kind=_KINDS[kind], page_size=_PAGE)
    resources = [
        getattr(resource, kind)
        for resource in session.call(session.control.List, request).resources
    ]
    return [(found.metadata.name, MessageToDict(found.spec)) for found in resources]


def _active(session: Session, account: str) -> dict[str, str]:
    """The names of an account's active keys."""
    return {key.name: "active" for key in _keys(session, account)}


def _keys(session: Session, account: str) -> list[control_pb2.ApiKey]:
    request = control_pb2.ListKeysRequest(account=account)
    try:
        keys = session.call(session.control.ListKeys, request).keys
    except CallRefused:
        return []
    return [key for key in keys if key.state == control_pb2.API_KEY_STATE_ACTIVE]


def _secrets(
    api: KubernetesApi, session: Session, is_meant: Callable[[str], bool]
) -> dict[str, tuple[bool, Document]]:
    """Our Secrets: whether each holds its account's active key, and its annotations."""
    found = {}
    for secret in api.call("GET", "/api/v1/secrets")["items"]:
        meta = secret["metadata"]
        account = meta.get("labels", {}).get("fluxrouter.ai/account", "")
        if account and is_meant(account):
            text = base64.b64decode(secret["data"]["api-key"])
            hashes = [key.key_hash for key in _keys(session, account)]
            holds = hashlib.sha256(text).hexdigest() in hashes
            found[meta["name"]] = (holds, meta["annotations"])
    return found
