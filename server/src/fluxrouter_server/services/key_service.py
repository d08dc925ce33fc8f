"""Makes, rotates and ends API keys. A key's text is answered once and never kept."""

from dataclasses import dataclass, field

from fluxrouter_server.domain.accounts import KeyRecord
from fluxrouter_server.domain.denials import Denial
from fluxrouter_server.domain.ids import AccountName


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


class KeyService:
    """CreateKey, ListKeys, RotateKey and RevokeKey. Scopes are checked by whoever calls this."""

    async def create(
        self, account: AccountName, name: str, *, key_hash: str = ""
    ) -> NewKey | Denial:
        """Make a key, or restore one by the hash of its text."""
        raise NotImplementedError

    async def list_keys(self, account: AccountName) -> tuple[KeyView, ...] | Denial:
        """All secrets of all keys by name and age."""
        raise NotImplementedError

    async def rotate(
        self, account: AccountName, name: str, *, grace_seconds: int
    ) -> NewKey | Denial:
        """Make a new secret; the one that was active works for `grace_seconds` more."""
        raise NotImplementedError

    async def revoke(self, account: AccountName, name: str) -> KeyView | Denial:
        """End a key with all its predecessors, and answer the youngest; may be repeated."""
        raise NotImplementedError
