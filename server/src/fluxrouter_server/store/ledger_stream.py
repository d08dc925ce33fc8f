"""The ledger's streams in Valkey, read by a group of workers (docs/protocol.md §8).

One group on each shard's stream; whoever reads is given entries that nobody else is given. They
stay in the stream until they are acknowledged, so a worker that dies loses nothing: what it held
is claimed by another once it was idle for long enough.

Reading blocks its connection, so this wants a client of its own. Acknowledging takes the entry out
of the stream in the same script: no crash can leave an entry that nobody will read again.
"""

import asyncio
import time
from collections import defaultdict
from collections.abc import Iterable, Sequence
from typing import Final

from fluxrouter_server.services.ports.ledger import Backlog, StreamEntry
from fluxrouter_server.store.errors import CommandRefused, StoreError
from fluxrouter_server.store.keys import SHARDS, ledger_key, meta_key
from fluxrouter_server.store.ledger_entries import read_entry
from fluxrouter_server.store.replies import Reply
from fluxrouter_server.store.runners import StoreRunner
from fluxrouter_server.store.scripts import ScriptLibrary
from fluxrouter_server.store.shard_calls import as_bytes, as_int, as_list

__all__ = ["GROUP", "ValkeyLedgerStream"]

GROUP: Final = "ledger"
"""The group of workers."""

_WANTED: Final = 4_000
"""Entries of one read, all shards together: some 4 MB, and a transaction of a second at most."""

_LEAST_PER_SHARD: Final = 64
"""So that one busy shard is not all that a read of many finds."""

_CALL_SECONDS: Final = 5.0
"""Bound on what is not meant to block; nobody's request waits for it."""

_FIRST_LOOK_SECONDS: Final = 0.05
_LONGEST_LOOK_SECONDS: Final = 0.25
"""Between looks at a Cluster's streams where nothing waits: each look costs some milliseconds."""

_SHARD_OF: Final = {ledger_key(shard).encode(): shard for shard in range(SHARDS)}


class ValkeyLedgerStream:
    """Implements `LedgerStream`.

    Args:
        client: Its own: reads block the connection.
        scripts: All there are.
        worker: This worker's name, unique among those that run.
        dead_after_seconds: How long an entry is another's before it is taken over.
    """

    def __init__(
        self,
        client: StoreRunner,
        scripts: ScriptLibrary,
        *,
        worker: str,
        dead_after_seconds: float = 10.0,
    ) -> None:
        self._client = client
        self._drop = scripts["drop_entries"]
        self._worker = worker
        self._dead_after_ms = int(dead_after_seconds * 1000)
        self._per_shard = _LEAST_PER_SHARD
        self._cursors = ["0-0"] * SHARDS

    async def open(self) -> None:
        """Create the groups that are missing; they begin at the first entry there is."""
        await self._each(
            ("XGROUP", "CREATE", ledger_key(shard), GROUP, "0", "MKSTREAM")
            for shard in range(SHARDS)
        )

    async def read(self, *, wait_seconds: float) -> Sequence[StreamEntry]:
        """Take new entries of all shards, at most some thousands.

        Raises:
            StoreUnavailable: No answer.
            CommandRefused: A group is gone, as after a loss of data: `open` again.
        """
        if self._client.is_cluster:
            streams = await self._read_apart(wait_seconds)
        else:
            streams = await self._read_at_once(wait_seconds)
        self._per_shard = max(_LEAST_PER_SHARD, _WANTED // max(1, len(streams)))
        found: list[StreamEntry] = []
        for stream in streams:
            name, entries = as_list(stream)
            found += _read_all(_SHARD_OF[as_bytes(name)], as_list(entries))
        return found

    async def _read_at_once(self, wait_seconds: float) -> list[Reply]:
        """All streams by one command, which blocks until one of them has something."""
        keys = [ledger_key(shard) for shard in range(SHARDS)]
        reply = await self._client.execute(
            "XREADGROUP", "GROUP", GROUP, self._worker, "COUNT", self._per_shard,
            "BLOCK", max(1, int(wait_seconds * 1000)), "STREAMS", *keys, *[">"] * SHARDS,
            timeout_seconds=wait_seconds + _CALL_SECONDS,
        )  # fmt: skip
        return [] if reply is None else as_list(reply)

    async def _read_apart(self, wait_seconds: float) -> list[Reply]:
        """Stream by stream, as a Cluster wants it; to block for each would take 256 connections."""
        loop = asyncio.get_running_loop()
        until, pause = loop.time() + wait_seconds, _FIRST_LOOK_SECONDS
        while True:
            replies = await asyncio.gather(
                *(
                    self._client.execute(
                        "XREADGROUP", "GROUP", GROUP, self._worker, "COUNT", self._per_shard,
                        "STREAMS", ledger_key(shard), ">",
                        timeout_seconds=_CALL_SECONDS,
                    )
                    for shard in range(SHARDS)
                )
            )  # fmt: skip
            streams = [
                stream for reply in replies if reply is not None for stream in as_list(reply)
            ]
            if streams or loop.time() >= until:
                return streams
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_LOOK_SECONDS)

    async def reclaim(self) -> Sequence[StreamEntry]:
        """Take over what was given and never acknowledged, some of each shard at a time."""
        replies = await self._each(
            (
                "XAUTOCLAIM", ledger_key(shard), GROUP, self._worker, self._dead_after_ms,
                self._cursors[shard], "COUNT", _LEAST_PER_SHARD,
            )
            for shard in range(SHARDS)
        )  # fmt: skip
        found: list[StreamEntry] = []
        for shard, reply in enumerate(replies):
            if reply is None:
                continue
            cursor, entries, *_ = as_list(reply)
            self._cursors[shard] = as_bytes(cursor).decode()
            found += _read_all(shard, as_list(entries))
        return found

    async def acknowledge(self, entries: Sequence[StreamEntry]) -> None:
        """Take entries out of their streams.

        Raises:
            StoreUnavailable: No answer; what was taken out and what not is found by reading again.
        """
        ids: dict[int, list[str]] = defaultdict(list)
        for item in entries:
            ids[item.shard].append(item.stream_id)
        calls = [
            ((ledger_key(shard), meta_key(shard)), (GROUP, *some)) for shard, some in ids.items()
        ]
        outcomes = await self._client.evaluate_each(
            self._drop, calls, timeout_seconds=_CALL_SECONDS
        )
        for outcome in outcomes:
            if isinstance(outcome, StoreError):
                raise outcome

    async def backlog(self) -> Backlog:
        """Count the entries of all streams and find the oldest."""
        lengths = await self._each(("XLEN", ledger_key(shard)) for shard in range(SHARDS))
        filled = [shard for shard, length in enumerate(lengths) if length]
        firsts = await self._each(
            ("XRANGE", ledger_key(shard), "-", "+", "COUNT", 1) for shard in filled
        )
        oldest_ms = [_first_ms(reply) for reply in firsts if reply]
        lag = time.time() - min(oldest_ms) / 1000 if oldest_ms else 0.0
        return Backlog(sum(as_int(length) for length in lengths), max(0.0, lag))

    async def _each(self, commands: Iterable[tuple[str | int, ...]]) -> list[Reply]:
        """Run commands in one round trip; a group that exists already, or not yet, is None."""
        outcomes = await asyncio.gather(
            *(self._client.execute(*words, timeout_seconds=_CALL_SECONDS) for words in commands),
            return_exceptions=True,
        )
        replies: list[Reply] = []
        for outcome in outcomes:
            if isinstance(outcome, CommandRefused) and _is_about_group(outcome):
                replies.append(None)
            elif isinstance(outcome, BaseException):
                raise outcome
            else:
                replies.append(outcome)
        return replies


def _is_about_group(error: CommandRefused) -> bool:
    return "BUSYGROUP" in str(error) or "NOGROUP" in str(error)


def _read_all(shard: int, entries: list[Reply]) -> list[StreamEntry]:
    """Read what a stream gave; an entry that was taken out meanwhile has no fields."""
    found = []
    for item in entries:
        if item is None:
            continue
        stream_id, fields = as_list(item)
        if fields is None:
            continue
        name = as_bytes(stream_id).decode()
        blob = as_bytes(as_list(fields)[1])
        found.append(StreamEntry(shard, name, read_entry(shard, name, blob)))
    return found


def _first_ms(reply: Reply) -> int:
    """The instant in the id of the first entry of a range."""
    return int(as_bytes(as_list(as_list(reply)[0])[0]).split(b"-")[0])
