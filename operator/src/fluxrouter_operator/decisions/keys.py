"""What to do about an API key, given its entry in the spec, the server and its Secret.

The truth about a key is at the server (which secrets work) and in the Secret (which one it holds);
both are read each time. A key is in order when its Secret holds the active one and the wished
rotation was carried out. Whatever was interrupted half way looks like a Secret that holds something
else, and is mended by a rotation.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

__all__ = [
    "InOrder",
    "KeyWish",
    "KeyWork",
    "Make",
    "NotOurs",
    "Refuse",
    "SecretHeld",
    "ServerKey",
    "ServerKeyState",
    "Way",
    "are_settled",
    "decide_key",
    "dropped_keys",
    "owned_keys",
    "wishes",
]

_DEFAULT_GRACE_SECONDS: Final = 86_400


class ServerKeyState(StrEnum):
    """State of one secret of a key at the server."""

    ACTIVE = "active"
    ROTATED = "rotated"
    REVOKED = "revoked"


@dataclass(frozen=True, slots=True)
class ServerKey:
    """One secret of a key at the server; `hash` is the SHA-256 of its text in hexadecimal."""

    name: str
    hash: str
    state: ServerKeyState
    created: datetime


@dataclass(frozen=True, slots=True)
class KeyWish:
    """A key that the spec wants in a Secret."""

    name: str
    secret_name: str
    rotation: int
    grace_seconds: int


@dataclass(frozen=True, slots=True)
class SecretHeld:
    """The Secret of a key of ours, and the hash of what it holds ("" for nothing)."""

    hash: str
    rotation: int
    resource_version: str


@dataclass(frozen=True, slots=True)
class NotOurs:
    """A Secret of that name that belongs to somebody else; `owner` says to whom, for people."""

    owner: str


class Way(StrEnum):
    """How to come to a new secret."""

    CREATE = "create"
    ROTATE = "rotate"


@dataclass(frozen=True, slots=True)
class InOrder:
    """Nothing is to be done; the Secret holds the key that was made then."""

    created: datetime


@dataclass(frozen=True, slots=True)
class Make:
    """Make a new secret and put it into the Secret, which is replaced where `secret` is given."""

    way: Way
    grace_seconds: int
    secret: SecretHeld | None


@dataclass(frozen=True, slots=True)
class Refuse:
    """The Secret belongs to somebody else: nothing is made, nothing is written."""

    owner: str


KeyWork = InOrder | Make | Refuse


def wishes(spec: Mapping[str, Any]) -> tuple[KeyWish, ...]:
    """Return the keys of an account's spec that go into a Secret."""
    return tuple(
        KeyWish(
            name=key["name"],
            secret_name=key["secret"]["name"],
            rotation=key["secret"].get("rotation", 0),
            grace_seconds=key["secret"].get("rotationGraceSeconds", _DEFAULT_GRACE_SECONDS),
        )
        for key in spec.get("apiKeys", ())
        if key.get("secret")
    )


def dropped_keys(spec: Mapping[str, Any], status: Mapping[str, Any]) -> tuple[tuple[str, str], ...]:
    """Return names and Secrets of keys that we took care of and that the spec wants no more.

    The status remembers them: it names a key before the key is made.
    """
    wanted = {(wish.name, wish.secret_name) for wish in wishes(spec)}
    known = ((key["name"], key["secretName"]) for key in status.get("apiKeys", ()))
    return tuple(key for key in known if key not in wanted)


def owned_keys(spec: Mapping[str, Any], status: Mapping[str, Any]) -> tuple[str, ...]:
    """Return the names of all keys that are ours: wanted now, or taken care of until now."""
    known = [key["name"] for key in status.get("apiKeys", ())]
    return tuple(dict.fromkeys([*known, *(wish.name for wish in wishes(spec))]))


def are_settled(spec: Mapping[str, Any], status: Mapping[str, Any]) -> bool:
    """Whether a status shows every key of the spec in its Secret, as wished, and no other."""
    shown = {(key["name"], key["secretName"]): key for key in status.get("apiKeys", ())}
    wanted = wishes(spec)
    return len(shown) == len(wanted) and all(
        "createTime" in (key := shown.get((wish.name, wish.secret_name), {}))
        and key.get("rotation", 0) >= wish.rotation
        for wish in wanted
    )


def decide_key(
    wish: KeyWish, server: Sequence[ServerKey], secret: SecretHeld | NotOurs | None
) -> KeyWork:
    """Say what is to be done about one key; `server` has the secrets of this key's name."""
    if isinstance(secret, NotOurs):
        return Refuse(secret.owner)
    active = next((key for key in server if key.state is ServerKeyState.ACTIVE), None)
    if active is None:
        # None was ever made, or somebody revoked it by hand: then that text stays revoked for ever.
        return Make(Way.CREATE, wish.grace_seconds, secret)
    if secret is None or secret.hash != active.hash or secret.rotation < wish.rotation:
        return Make(Way.ROTATE, wish.grace_seconds, secret)
    return InOrder(active.created)
