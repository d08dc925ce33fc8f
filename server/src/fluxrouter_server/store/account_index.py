"""The accounts of all shards in the order of their names.

Each shard keeps its names sorted, with the uid behind a NUL. A page is merged from the shards, each
asked for a few more names than its share of the page: names are spread by a hash, so shares hardly
differ. The cost of a page depends on its length and on the number of shards, never on how many
accounts there are: one round trip as a rule, some 2 ms of the store's time for 1,000 names.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from fluxrouter_server.domain.ids import AccountName, AccountUid
from fluxrouter_server.store.keys import SHARDS, names_key, names_shard
from fluxrouter_server.store.replies import Reply
from fluxrouter_server.store.shard_calls import ShardCall, ShardCalls, as_bytes, as_list

__all__ = ["AccountIndex"]

_AFTER_EVERY_NAME: Final = b"(~"
"""Bound below the index's sentinel: names are lower-case letters, digits, '-', '.' and '/'."""


class AccountIndex:
    """Finds accounts by name."""

    def __init__(self, calls: ShardCalls) -> None:
        self._calls = calls

    async def find(self, name: AccountName) -> AccountUid | None:
        """Return the uid of a name, deleted accounts included; None where it never existed."""
        shard = names_shard(name)
        start, end = f"[{name}\0", f"({name}\1"
        (entries,) = await self._calls.run("read_names", shard, (names_key(shard),), start, end, 1)
        return next((_parse(entry)[1] for entry in _entries(entries)), None)

    async def page(
        self, *, namespace: str | None, after: AccountName | None, limit: int
    ) -> Sequence[tuple[AccountName, AccountUid]]:
        """Return the first accounts by name after one, deleted ones included.

        Fewer than `limit` of them are all that there are.
        """
        start = f"[{namespace}/".encode() if namespace is not None else b"-"
        # The next character after '/' ends a namespace.
        end = f"({namespace}0".encode() if namespace is not None else _AFTER_EVERY_NAME
        if after is not None:
            start = max(start, f"({after}\1".encode(), key=lambda bound: bound[1:])
        return [_parse(entry) for entry in await self._merge(start, end, limit)]

    async def _merge(self, start: bytes, end: bytes, limit: int) -> list[bytes]:
        share = min(limit, 2 * limit // SHARDS + 8)
        found: list[bytes] = []
        last: dict[int, bytes] = {}  # of shards that may have more: the last entry they gave
        starts = dict.fromkeys(range(SHARDS), start)
        while True:
            for shard, part in await self._read(starts, end, share):
                found += part
                last.pop(shard, None)
                if len(part) == share:
                    last[shard] = part[-1]
            # A shard that may have more says nothing about names beyond its last one.
            horizon = min(last.values(), default=None)
            certain = sorted(entry for entry in found if horizon is None or entry <= horizon)
            if horizon is None or len(certain) >= limit:
                return certain[:limit]
            starts = {shard: b"(" + entry for shard, entry in last.items() if entry == horizon}

    async def _read(
        self, starts: Mapping[int, bytes], end: bytes, share: int
    ) -> list[tuple[int, list[bytes]]]:
        calls = [
            ShardCall(shard, (names_key(shard),), (start, end, share))
            for shard, start in starts.items()
        ]
        answers = await self._calls.run_all("read_names", calls)
        return [
            (call.shard, _entries(entries)) for call, (entries,) in zip(calls, answers, strict=True)
        ]


def _entries(entries: Reply) -> list[bytes]:
    return list(map(as_bytes, as_list(entries)))


def _parse(entry: bytes) -> tuple[AccountName, AccountUid]:
    name, _, uid = entry.decode().partition("\0")
    return AccountName(name), AccountUid(uid)
