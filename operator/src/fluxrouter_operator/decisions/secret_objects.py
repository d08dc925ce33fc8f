"""The Secrets of API keys as objects, and whose a Secret is."""

import base64
import binascii
import hashlib
from collections.abc import Mapping
from typing import Any, Final

from fluxrouter_operator.decisions.keys import KeyWish, NotOurs, SecretHeld
from fluxrouter_operator.observed import API_VERSION, Observed

__all__ = ["KEY_ENTRY", "owner_uid", "read_secret", "secret"]

#: Where in a Secret the key's text is.
KEY_ENTRY: Final = "api-key"
_KEY_ANNOTATION: Final = "fluxrouter.ai/key"
_ROTATION_ANNOTATION: Final = "fluxrouter.ai/rotation"


def secret(account: Observed, wish: KeyWish, text: str) -> dict[str, Any]:
    """Return the Secret of a key, which goes when its account goes."""
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "type": "Opaque",
        "metadata": {
            "name": wish.secret_name,
            "namespace": account.key.namespace,
            "labels": {
                "app.kubernetes.io/managed-by": "fluxrouter-operator",
                "fluxrouter.ai/account": account.key.name,
            },
            "annotations": {
                _KEY_ANNOTATION: wish.name,
                _ROTATION_ANNOTATION: str(wish.rotation),
            },
            "ownerReferences": [
                {
                    "apiVersion": API_VERSION,
                    "kind": account.key.kind.value,
                    "name": account.key.name,
                    "uid": account.uid,
                    "controller": True,
                }
            ],
        },
        "data": {KEY_ENTRY: base64.b64encode(text.encode()).decode()},
    }


def read_secret(raw: Mapping[str, Any], account: Observed, key_name: str) -> SecretHeld | NotOurs:
    """Say what a Secret of the cluster is to a key of the account."""
    meta = raw["metadata"]
    annotations = meta.get("annotations") or {}
    if owner_uid(raw) != account.uid:
        return NotOurs(_owner(meta))
    if annotations.get(_KEY_ANNOTATION) != key_name:
        return NotOurs(f"the key {annotations.get(_KEY_ANNOTATION)} of this account")
    return SecretHeld(
        hash=_hash((raw.get("data") or {}).get(KEY_ENTRY, "")),
        rotation=_number(annotations.get(_ROTATION_ANNOTATION, "")),
        resource_version=meta["resourceVersion"],
    )


def owner_uid(raw: Mapping[str, Any]) -> str:
    """Return the uid of the account that controls a Secret; empty where none does."""
    for owner in raw["metadata"].get("ownerReferences") or ():
        if owner.get("controller") and owner.get("apiVersion") == API_VERSION:
            return str(owner.get("uid", ""))
    return ""


def _owner(meta: Mapping[str, Any]) -> str:
    for owner in meta.get("ownerReferences") or ():
        return f"{owner.get('kind')} {owner.get('name')}"
    return "somebody who did not say so"


def _hash(encoded: str) -> str:
    """The SHA-256 of a key's text as the server keeps it; empty for what cannot be read."""
    try:
        text = base64.b64decode(encoded, validate=True)
    except (binascii.Error, ValueError):
        return ""
    return hashlib.sha256(text).hexdigest() if text else ""


def _number(text: str) -> int:
    return int(text) if text.isascii() and text.isdigit() else 0
