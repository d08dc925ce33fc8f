"""Documents that every shard holds whole: plans and the catalog (docs/protocol.md §2).

A document's home shard gives it its generation and keeps it; then every other shard takes it,
unless it holds a newer one, so that an older fan-out can never undo a newer. A write is
acknowledged when every shard holds it or a newer one. Where a shard does not take it, the home
shard still says so, and `finish` completes it from there; until then either document may apply. A
deletion is an empty document with a generation of its own, kept for ever: without it an older
fan-out that is still under way would bring the document back.
"""

import contextlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from secrets import token_hex
from typing import Final

from fluxrouter_server.domain.limits import Generation
from fluxrouter_server.services.ports.documents import Change
from fluxrouter_server.services.ports.errors import StoreError, StoreUnavailable
from fluxrouter_server.store.documents import decode_generation
from fluxrouter_server.store.keys import SHARDS, ledger_key
from fluxrouter_server.store.shard_calls import Answer, ShardCall, ShardCalls, as_bytes, as_int

__all__ = ["DocumentReplicator", "DocumentWrite", "ReplicatedDocument", "StoredDocument"]

_NO_GENERATION: Final = Generation(0, "")
_NONCE_BYTES: Final = 4
_WAVE_BYTES: Final = 8 * 1024 * 1024
"""So much of a fan-out is on its way at once: a large catalog must not crowd out decisions."""

_SHARDS_NAMED: Final = 8
"""Of many shards an error names the first few."""

_MOST_ROUNDS: Final = 3
"""Each round passes every counter that was found; only a store in repair needs a second one."""


@dataclass(frozen=True, slots=True)
class ReplicatedDocument:
    """Which document: `kind` is `plan` or `catalog`, `key` names its key in a shard."""

    kind: str
    name: str
    home: int
    key: Callable[[int], str]


@dataclass(frozen=True, slots=True)
class StoredDocument:
    """What the home shard keeps.

    `generation` has counter 0 where there never was a document; `content` is empty where there is
    none now. `is_pending`: not every shard is known to hold it.
    """

    generation: Generation
    content: bytes
    update_us: int
    is_pending: bool


@dataclass(frozen=True, slots=True)
class DocumentWrite:
    """What a write did, and the document in force after it."""

    change: Change
    stored: StoredDocument


class DocumentReplicator:
    """Writes and reads such documents."""

    def __init__(self, calls: ShardCalls) -> None:
        self._calls = calls

    async def write(self, document: ReplicatedDocument, content: bytes) -> DocumentWrite:
        """Make every shard hold this content; empty content deletes.

        Raises:
            StoreUnavailable: Not every shard took it: names those that did not, outcome unknown.
        """
        change: Change | None = None
        passed = 0
        for _ in range(_MOST_ROUNDS):
            written = await self._write_home(document, content, passed)
            change = change or written.change  # a second round changes nothing that callers see
            if written.stored.is_pending:
                passed = await self._fan_out(document, written.stored)
            if not written.stored.is_pending or not passed:
                return DocumentWrite(change, written.stored)
        raise StoreUnavailable(
            f"{document.kind} {document.name}: other writers keep changing it; try again",
            outcome_unknown=True,
        )

    async def read(self, document: ReplicatedDocument) -> StoredDocument:
        """Read from the home shard."""
        key = document.key(document.home)
        return _stored(await self._calls.run("read_document", document.home, (key,)))

    async def read_all(self, documents: Sequence[ReplicatedDocument]) -> list[StoredDocument]:
        """Read many from their home shards in one round trip."""
        calls = [ShardCall(document.home, (document.key(document.home),)) for document in documents]
        return list(map(_stored, await self._calls.run_all("read_document", calls)))

    async def finish(self, document: ReplicatedDocument, stored: StoredDocument) -> bool:
        """Complete a fan-out that its writer did not; False where there is none to complete.

        Raises:
            StoreUnavailable: Some shard still does not take it.
        """
        if not stored.is_pending:
            return False
        if await self._fan_out(document, stored):
            raise StoreUnavailable(
                f"{document.kind} {document.name}: some shard holds a generation that its home "
                "shard lost; apply it again",
                outcome_unknown=True,
            )
        return True

    async def _write_home(
        self, document: ReplicatedDocument, content: bytes, passed: int
    ) -> DocumentWrite:
        change, *state = await self._calls.run(
            "put_document",
            document.home,
            (document.key(document.home), ledger_key(document.home)),
            document.kind,
            document.name,
            content,
            token_hex(_NONCE_BYTES),
            passed,
        )
        generation, update_us, pending = state
        return DocumentWrite(
            change=Change(as_bytes(change).decode()),
            stored=_stored([generation, content, update_us, pending]),
        )

    async def _fan_out(self, document: ReplicatedDocument, stored: StoredDocument) -> int:
        """Give every other shard the document.

        Returns:
            0 when every shard holds it or a newer one that the home shard gave out. Else a counter
            that some shard holds and the home shard knows nothing of: its data was lost and began
            anew. Only a generation above that can replace what those shards hold.
        """
        generation = stored.generation
        held, failures = await self._distribute(document, stored)
        if failures:
            raise _not_acknowledged(document, generation, failures)
        if held != generation:
            at_home = (await self.read(document)).generation
            if at_home != held and at_home.counter <= held.counter:
                return held.counter
        await self._confirm(document, generation)
        return 0

    async def _distribute(
        self, document: ReplicatedDocument, stored: StoredDocument
    ) -> tuple[Generation, dict[int, StoreError]]:
        """Offer it to every other shard; the newest generation that any holds, and what failed."""
        generation = newest = stored.generation
        failures: dict[int, StoreError] = {}
        words = (generation.counter, str(generation), stored.content, stored.update_us)
        shards = [shard for shard in range(SHARDS) if shard != document.home]
        wave = max(1, _WAVE_BYTES // (len(stored.content) + 1))
        for start in range(0, len(shards), wave):
            calls = [
                ShardCall(shard, (document.key(shard),), words)
                for shard in shards[start : start + wave]
            ]
            outcomes = await self._calls.run_each("take_document", calls)
            for call, outcome in zip(calls, outcomes, strict=True):
                if isinstance(outcome, StoreError):
                    failures[call.shard] = outcome
                    continue
                held = decode_generation(as_bytes(outcome[0]))
                if held != generation and held.counter >= newest.counter:
                    newest = held
        return newest, failures

    async def _confirm(self, document: ReplicatedDocument, generation: Generation) -> None:
        # Every shard holds the document: the write stands, and if this note is lost the fan-out is
        # merely repeated.
        key = document.key(document.home)
        with contextlib.suppress(StoreError):
            await self._calls.run("confirm_document", document.home, (key,), str(generation))


def _stored(state: Answer) -> StoredDocument:
    generation, content, update_us, pending = state
    text = as_bytes(generation)
    return StoredDocument(
        generation=decode_generation(text) if text else _NO_GENERATION,
        content=as_bytes(content),
        update_us=as_int(update_us),
        is_pending=bool(pending),
    )


def _not_acknowledged(
    document: ReplicatedDocument, generation: Generation, failures: dict[int, StoreError]
) -> StoreUnavailable:
    named = ", ".join(f"{shard:02x}" for shard in list(failures)[:_SHARDS_NAMED])
    more = f" and {len(failures) - _SHARDS_NAMED} more" if len(failures) > _SHARDS_NAMED else ""
    return StoreUnavailable(
        f"{document.kind} {document.name}: generation {generation} is not acknowledged, because "
        f"shard {named}{more} did not take it ({next(iter(failures.values()))}). Until the sweep "
        "has completed it, or it is applied again, the old document may apply as well as the new",
        outcome_unknown=True,
    )
