"""Makes, rotates and ends API keys. A key's text is answered once and never kept.

An account's key hashes lie in its record. A change replaces them all, on condition that nothing
else has changed the record since it was read, and is repeated otherwise. So two rotations at the
same time are two rotations, and a rotation never undoes a revocation that it had not seen.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from fluxrouter_server.domain.accounts import KeyRecord, KeyState
from fluxrouter_server.domain.denials import Denial
from fluxrouter_server.domain.ids import AccountName, KeyHash, KeyName
from fluxrouter_server.domain.keys import SECRET_BYTES, format_api_key, hash_api_key
from fluxrouter_server.domain.limits import AccountRecord
from fluxrouter_server.domain.names import validate_names
from fluxrouter_server.services.key_changes import (
    Secrets,
    add_key,
    forget_oldest_ended,
    parse_key_hash,
    revoke_key,
    rotate_key,
    youngest,
)
from fluxrouter_server.services.key_validity import valid_until_us
from fluxrouter_server.services.payers import account_missing
from fluxrouter_server.services.ports.documents import AccountStore
from fluxrouter_server.services.ports.errors import StoreUnavailable
from fluxrouter_server.services.ports.holds import StoreClock
from fluxrouter_server.services.refusals import invalid, invalid_field

#: 30 days: a grace that is longer is a second key, and should have its own name.
MAX_GRACE_SECONDS: Final = 2_592_000
# Each try means that somebody else changed the account within milliseconds.
_TRIES: Final = 8


@dataclass(frozen=True, slots=True)
class KeyView:
    """What is kept of one secret of a key.

    `expire_us` is when it stops working by itself (its expiry or the end of its grace, whichever is
    first), None for never.
    """

    account: AccountName
    record: KeyRecord
    expire_us: int | None


@dataclass(frozen=True, slots=True)
class NewKey:
    """A new key with its text, which is empty where the caller gave the hash."""

    key: KeyView
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class _Changed:
    """Secrets to write, the one that the answer is about, and its text."""

    secrets: Secrets
    key: KeyRecord
    text: str = field(default="", repr=False)


_Change: TypeAlias = Callable[[AccountRecord], _Changed | Denial]


class KeyService:
    """CreateKey, ListKeys, RotateKey and RevokeKey. Scopes are checked by whoever calls this."""

    def __init__(
        self, *, accounts: AccountStore, clock: StoreClock, random: Callable[[int], bytes]
    ) -> None:
        """`random` returns so many unpredictable bytes."""
        self._accounts = accounts
        self._clock = clock
        self._random = random

    async def create(
        self, account: AccountName, name: str, *, key_hash: str = ""
    ) -> NewKey | Denial:
        """Make a key, or restore one by the hash of its text.

        Raises:
            StoreUnavailable: it may have been made; rotate it to have its secret.
        """
        wrong = invalid(validate_names({"name": name}))
        if wrong is not None:
            return wrong
        known = parse_key_hash(key_hash)
        if key_hash and known is None:
            return invalid_field("key_hash", "this is no SHA-256; give 64 hexadecimal digits")

        def create(record: AccountRecord) -> _Changed | Denial:
            text = "" if known else format_api_key(record.uid, self._random(SECRET_BYTES))
            key = self._record(KeyName(name), known or hash_api_key(text))
            secrets = add_key(record.secrets, key)
            return secrets if isinstance(secrets, Denial) else _Changed(secrets, key, text)

        return await self._change(account, create)

    async def list_keys(self, account: AccountName) -> tuple[KeyView, ...] | Denial:
        """All secrets of all keys by name and age, those that ended long ago left out.

        Raises:
            StoreUnavailable: they could not be read.
        """
        record = await self._read(account)
        if isinstance(record, Denial):
            return record
        secrets = sorted(record.secrets, key=lambda secret: (secret.name, secret.create_us))
        return tuple(_view(record, secret) for secret in secrets)

    async def rotate(
        self, account: AccountName, name: str, *, grace_seconds: int
    ) -> NewKey | Denial:
        """Make a new secret; the one that was active works for `grace_seconds` more.

        Raises:
            StoreUnavailable: it may have been rotated; rotate it again to have its secret.
        """
        if not 0 <= grace_seconds <= MAX_GRACE_SECONDS:
            return invalid_field(
                "grace_seconds", f"{grace_seconds} is out of bounds; use 0 to {MAX_GRACE_SECONDS}"
            )

        def rotate(record: AccountRecord) -> _Changed | Denial:
            text = format_api_key(record.uid, self._random(SECRET_BYTES))
            key = self._record(KeyName(name), hash_api_key(text))
            grace_end_us = key.create_us + grace_seconds * 1_000_000
            secrets = rotate_key(record.secrets, key, grace_end_us=grace_end_us)
            return secrets if isinstance(secrets, Denial) else _Changed(secrets, key, text)

        return await self._change(account, rotate)

    async def revoke(self, account: AccountName, name: str) -> KeyView | Denial:
        """End a key with all its predecessors, and answer the youngest; may be repeated.

        Raises:
            StoreUnavailable: it may have been ended; repeat it.
        """

        def revoke(record: AccountRecord) -> _Changed | Denial:
            secrets = revoke_key(record.secrets, KeyName(name))
            if isinstance(secrets, Denial):
                return secrets
            key = youngest(secrets, KeyName(name))
            assert key is not None  # noqa: S101 - revoke_key denies a name without secrets
            return _Changed(secrets, key)

        changed = await self._change(account, revoke)
        return changed if isinstance(changed, Denial) else changed.key

    async def _change(self, account: AccountName, change: _Change) -> NewKey | Denial:
        for _ in range(_TRIES):
            record = await self._read(account)
            if isinstance(record, Denial):
                return record
            changed = change(record)
            if isinstance(changed, Denial):
                return changed
            if changed.secrets == record.secrets:
                return NewKey(_view(record, changed.key), changed.text)
            written = await self._accounts.put_secrets(
                record.uid,
                expected=record.generation,
                secrets=forget_oldest_ended(changed.secrets, self._clock.now_us()),
            )
            if written is not None:
                return NewKey(_view(written, changed.key), changed.text)
        raise StoreUnavailable(
            f"the account {account} changed during each try; try again", outcome_unknown=False
        )

    async def _read(self, account: AccountName) -> AccountRecord | Denial:
        view = await self._accounts.get_account(account)
        if view is None or view.record.deleted:
            return account_missing(account)
        return view.record

    def _record(self, name: KeyName, key_hash: KeyHash) -> KeyRecord:
        return KeyRecord(
            name=name,
            hash=key_hash,
            state=KeyState.ACTIVE,
            create_us=self._clock.now_us(),
            grace_end_us=None,
        )


def _view(account: AccountRecord, secret: KeyRecord) -> KeyView:
    limits = next((key for key in account.account.keys if key.name == secret.name), None)
    # A revoked secret has no instant at which it will end; that it has ended, its state tells.
    end_us = None if secret.state is KeyState.REVOKED else valid_until_us(secret, limits)
    return KeyView(account.account.name, secret, end_us)
