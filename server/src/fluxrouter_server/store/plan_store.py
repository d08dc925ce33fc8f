"""Plans in Valkey: whole on every shard, found by an index of names in shard 0.

A name enters the index before its document is written and never leaves it. A name without a
document reads as no plan, so a writer that ends in between does no harm; the other way round there
could be a plan that nobody lists and whose fan-out nobody finishes. Deleted plans keep their name
there, as they keep their last generation on every shard: some 40 KB for each name ever used.
"""

from collections.abc import Sequence

from fluxrouter_server.domain.ids import PlanName
from fluxrouter_server.domain.limits import PlanRecord
from fluxrouter_server.domain.plans import Plan
from fluxrouter_server.services.ports.documents import Change, Written
from fluxrouter_server.services.ports.errors import StoreUnavailable
from fluxrouter_server.store.documents import decode_plan, encode_plan
from fluxrouter_server.store.keys import plan_key, plans_key, shard_of
from fluxrouter_server.store.replicated_documents import (
    DocumentReplicator,
    ReplicatedDocument,
    StoredDocument,
)
from fluxrouter_server.store.shard_calls import ShardCalls, as_bytes, as_list

__all__ = ["ValkeyPlanStore"]

_INDEX_SHARD = 0
_DELETED = b""


class ValkeyPlanStore:
    """Implements `PlanStore`."""

    def __init__(self, calls: ShardCalls) -> None:
        self._calls = calls
        self._replicator = DocumentReplicator(calls)

    async def put_plan(self, plan: Plan) -> Written[PlanRecord]:
        """Create or replace; acknowledged when every shard holds it or a newer one."""
        await self._calls.run("index_plan", _INDEX_SHARD, (plans_key(),), plan.name)
        written = await self._replicator.write(_document(plan.name), encode_plan(plan))
        stored = written.stored
        record = PlanRecord(plan, stored.generation, stored.update_us)
        return Written(record, written.change)

    async def get_plan(self, name: PlanName) -> PlanRecord | None:
        """Read from the home shard."""
        return _record(await self._replicator.read(_document(name)))

    async def list_plans(self) -> Sequence[PlanRecord]:
        """All plans by name."""
        return [record for _, stored in await self._read_all() if (record := _record(stored))]

    async def delete_plan(self, name: PlanName) -> bool:
        """Remove from every shard; False where there was none."""
        written = await self._replicator.write(_document(name), _DELETED)
        return written.change is not Change.UNCHANGED

    async def finish_fan_outs(self) -> int:
        """Complete what writers left incomplete, deletions included; returns how many there were.

        Costs two round trips where there is nothing to do.

        Raises:
            StoreUnavailable: Some shard still does not take a document; the others are complete.
        """
        finished = 0
        failure: StoreUnavailable | None = None
        for document, stored in await self._read_all():
            try:
                finished += await self._replicator.finish(document, stored)
            except StoreUnavailable as error:
                failure = failure or error
        if failure is not None:
            raise failure
        return finished

    async def _read_all(self) -> list[tuple[ReplicatedDocument, StoredDocument]]:
        (names,) = await self._calls.run("read_plan_names", _INDEX_SHARD, (plans_key(),))
        documents = [
            _document(PlanName(name))
            for name in sorted(as_bytes(name).decode() for name in as_list(names))
        ]
        return list(zip(documents, await self._replicator.read_all(documents), strict=True))


def _document(name: PlanName) -> ReplicatedDocument:
    return ReplicatedDocument("plan", name, shard_of(name), lambda shard: plan_key(shard, name))


def _record(stored: StoredDocument) -> PlanRecord | None:
    if not stored.content:
        return None
    return PlanRecord(decode_plan(stored.content), stored.generation, stored.update_us)
