"""Puts counters of a living store right; implements `CounterRestorer`."""

from collections.abc import Sequence
from typing import Final

from fluxrouter_server.domain.ids import AccountUid
from fluxrouter_server.domain.ledger import AnyEntry, UnreadableEntry
from fluxrouter_server.services.ports.ledger import AccountCounters, DerivedCounters
from fluxrouter_server.store.counters import mended_fields
from fluxrouter_server.store.keys import account_keys
from fluxrouter_server.store.ledger_entries import read_entry
from fluxrouter_server.store.runners import StoreRunner
from fluxrouter_server.store.shard_calls import ShardCalls, as_bytes, as_list

__all__ = ["ValkeyCounterRestorer"]

_READ_SECONDS: Final = 5.0
_ENTRIES_AT_ONCE: Final = 1_000


class ValkeyCounterRestorer:
    """Reads streams and writes counters.

    Args:
        client: Connected to the store.
        shards: Runs scripts, with patience.
    """

    def __init__(self, client: StoreRunner, shards: ShardCalls) -> None:
        self._client = client
        self._shards = shards

    async def pending(self, uid: AccountUid) -> Sequence[AnyEntry]:
        """Read the account's entries that are still in its shard's stream.

        Raises:
            StoreUnavailable: No answer.
        """
        keys = account_keys(uid)
        found: list[AnyEntry] = []
        start = "-"
        while True:
            reply = await self._client.execute(
                "XRANGE", keys.ledger, start, "+", "COUNT", _ENTRIES_AT_ONCE,
                timeout_seconds=_READ_SECONDS,
            )  # fmt: skip
            items = [as_list(item) for item in as_list(reply)]
            for stream_id, fields in items:
                name, blob = as_bytes(stream_id).decode(), as_bytes(as_list(fields)[1])
                entry = read_entry(keys.shard, name, blob)
                if not isinstance(entry, UnreadableEntry) and entry.uid == uid:
                    found.append(entry)
                start = f"({name}"
            if len(items) < _ENTRIES_AT_ONCE:
                return found

    async def restore(self, found: AccountCounters, derived: DerivedCounters) -> bool:
        """Write the counters that differ, if the account still has the same number of entries.

        Raises:
            StoreUnavailable: No answer; they may have been written all the same.
        """
        keys = account_keys(found.uid)
        words = [word for pair in mended_fields(found, derived).items() for word in pair]
        (written,) = await self._shards.run(
            "restore_counters", keys.shard, (keys.account,), found.seq, *words
        )
        return bool(written)
