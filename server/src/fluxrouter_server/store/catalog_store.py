"""The catalog in Valkey: whole on every shard, at home in shard 0."""

from fluxrouter_server.domain.catalog import Catalog
from fluxrouter_server.domain.limits import CatalogRecord
from fluxrouter_server.services.ports.documents import Change, Written
from fluxrouter_server.store.documents import decode_catalog, encode_catalog
from fluxrouter_server.store.keys import catalog_key
from fluxrouter_server.store.replicated_documents import (
    DocumentReplicator,
    ReplicatedDocument,
    StoredDocument,
)
from fluxrouter_server.store.shard_calls import ShardCalls

__all__ = ["ValkeyCatalogStore"]

_DOCUMENT = ReplicatedDocument("catalog", "catalog", home=0, key=catalog_key)
_DELETED = b""


class ValkeyCatalogStore:
    """Implements `CatalogStore`."""

    def __init__(self, calls: ShardCalls) -> None:
        self._replicator = DocumentReplicator(calls)

    async def put_catalog(self, catalog: Catalog) -> Written[CatalogRecord]:
        """Create or replace; acknowledged when every shard holds it or a newer one."""
        written = await self._replicator.write(_DOCUMENT, encode_catalog(catalog))
        stored = written.stored
        record = CatalogRecord(catalog, stored.generation, stored.update_us)
        return Written(record, written.change)

    async def get_catalog(self) -> CatalogRecord | None:
        """Read from the home shard."""
        return _record(await self._replicator.read(_DOCUMENT))

    async def delete_catalog(self) -> bool:
        """Remove from every shard; False where there was none."""
        written = await self._replicator.write(_DOCUMENT, _DELETED)
        return written.change is not Change.UNCHANGED

    async def finish_fan_outs(self) -> int:
        """Complete what a writer left incomplete; returns how many there were, 0 or 1.

        Raises:
            StoreUnavailable: Some shard still does not take it.
        """
        return int(await self._replicator.finish(_DOCUMENT, await self._replicator.read(_DOCUMENT)))


def _record(stored: StoredDocument) -> CatalogRecord | None:
    if not stored.content:
        return None
    return CatalogRecord(decode_catalog(stored.content), stored.generation, stored.update_us)
