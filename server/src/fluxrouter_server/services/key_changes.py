"""What creating, rotating and revoking do to the secrets of an account, as pure functions.

A name may have several secrets: the active one, rotated ones in their grace, and ended ones, which
are kept so that a revoked key stays listed and is not restored by accident.
"""

import re
from dataclasses import replace
from typing import Final, TypeAlias

from fluxrouter_server.domain.account_rules import MAX_KEYS
from fluxrouter_server.domain.accounts import KeyRecord, KeyState
from fluxrouter_server.domain.denials import Denial, Reason
from fluxrouter_server.domain.ids import KeyHash, KeyName
from fluxrouter_server.services.refusals import invalid_field, not_found

Secrets: TypeAlias = tuple[KeyRecord, ...]

#: Ended secrets kept in an account's record; beyond it the oldest are forgotten. An unknown secret
#: is refused like an ended one, so forgetting opens nothing.
MAX_ENDED: Final = 256

#: Secrets of one name that work at the same time. Every change of an account writes all of its
#: secrets: without a bound a key that is rotated often would at last block its own revocation.
MAX_WORKING: Final = 8

_HASH = re.compile(r"[0-9a-f]{64}")


def parse_key_hash(text: str) -> KeyHash | None:
    """Read a SHA-256 in hexadecimal digits of either case; None where it is none."""
    digits = text.lower()
    return KeyHash(digits) if _HASH.fullmatch(digits) else None


def add_key(secrets: Secrets, key: KeyRecord) -> Secrets | Denial:
    """Add the first secret of a new name, or of one whose secrets have all been revoked."""
    for secret in secrets:
        if secret.name == key.name and secret.state is not KeyState.REVOKED:
            return Denial(
                Reason.KEY_EXISTS,
                f"The key {key.name} exists: rotate it, revoke it first, or choose another name.",
            )
        if secret.hash == key.hash:
            return invalid_field(
                "key_hash",
                f"it is known as the key {secret.name}, {secret.state}; create a new key instead",
            )
    live = {secret.name for secret in secrets if secret.state is not KeyState.REVOKED}
    if len(live) >= MAX_KEYS:
        return invalid_field(
            "name", f"the account has {len(live)} keys and may have {MAX_KEYS}; revoke one first"
        )
    return (*secrets, key)


def rotate_key(secrets: Secrets, key: KeyRecord, *, grace_end_us: int) -> Secrets | Denial:
    """Put `key` in the place of the active secret of its name, which works until `grace_end_us`."""
    if not any(_is_active(secret, key.name) for secret in secrets):
        return _missing(key.name)
    now_us = key.create_us
    working = sum(secret.name == key.name and not _has_ended(secret, now_us) for secret in secrets)
    if working >= MAX_WORKING and grace_end_us > now_us:
        return invalid_field(
            "grace_seconds",
            f"{working} secrets of this key work already; use 0, or wait until some have ended",
        )
    rotated = tuple(
        replace(secret, state=KeyState.ROTATED, grace_end_us=grace_end_us)
        if _is_active(secret, key.name)
        else secret
        for secret in secrets
    )
    return (*rotated, key)


def revoke_key(secrets: Secrets, name: KeyName) -> Secrets | Denial:
    """End all secrets of a name; nothing changes where they have ended already."""
    if all(secret.name != name for secret in secrets):
        return _missing(name)
    return tuple(
        replace(secret, state=KeyState.REVOKED) if secret.name == name else secret
        for secret in secrets
    )


def forget_oldest_ended(secrets: Secrets, now_us: int) -> Secrets:
    """Keep the `MAX_ENDED` youngest of the secrets that no longer work, and all others."""
    ended = sorted(
        (secret for secret in secrets if _has_ended(secret, now_us)), key=_age, reverse=True
    )
    forgotten = {secret.hash for secret in ended[MAX_ENDED:]}
    return tuple(secret for secret in secrets if secret.hash not in forgotten)


def youngest(secrets: Secrets, name: KeyName) -> KeyRecord | None:
    """Return the latest secret of a name; None where it has none."""
    return max((secret for secret in secrets if secret.name == name), key=_age, default=None)


def _is_active(secret: KeyRecord, name: KeyName) -> bool:
    return secret.name == name and secret.state is KeyState.ACTIVE


def _has_ended(secret: KeyRecord, now_us: int) -> bool:
    if secret.state is KeyState.REVOKED:
        return True
    return secret.grace_end_us is not None and secret.grace_end_us <= now_us


def _age(secret: KeyRecord) -> int:
    return secret.create_us


def _missing(name: KeyName) -> Denial:
    return not_found(f"The account has no active key {name}: create it, or list the keys.")
