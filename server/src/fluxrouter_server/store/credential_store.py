"""Service credentials in Valkey: few, so all of them lie in shard 0."""

from collections.abc import Sequence
from typing import Final

from fluxrouter_server.services.ports.documents import CredentialRecord
from fluxrouter_server.store.documents import decode_credential, encode_credential
from fluxrouter_server.store.keys import credentials_key, ledger_key
from fluxrouter_server.store.shard_calls import ShardCalls, as_bytes, as_list

__all__ = ["ValkeyCredentialStore"]

_SHARD: Final = 0
_REMOVED: Final = b""


class ValkeyCredentialStore:
    """Implements `CredentialStore`."""

    def __init__(self, calls: ShardCalls) -> None:
        self._calls = calls

    async def put_credential(self, record: CredentialRecord) -> bool:
        """Create; False where the name is taken, and nothing is changed."""
        return await self._write(record.name, encode_credential(record))

    async def list_credentials(self) -> Sequence[CredentialRecord]:
        """All, by name."""
        (documents,) = await self._calls.run("read_credentials", _SHARD, (credentials_key(),))
        records = [decode_credential(text) for text in map(as_bytes, as_list(documents)) if text]
        return sorted(records, key=lambda record: record.name)

    async def delete_credential(self, name: str) -> bool:
        """Remove; False where there was none."""
        return await self._write(name, _REMOVED)

    async def _write(self, name: str, document: bytes) -> bool:
        keys = (credentials_key(), ledger_key(_SHARD))
        (is_done,) = await self._calls.run("write_credential", _SHARD, keys, name, document)
        return is_done == 1
