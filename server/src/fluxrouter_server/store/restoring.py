"""Writes lost shards anew from what the ledger knows; implements `ShardRestorer`.

A shard without an identity is refused by every script, so what is written here is seen by nobody
until `open_shards` writes the identities. Everything is written with the same commands each time:
a rebuild that was interrupted is begun anew and overwrites what the first one left.
"""

import asyncio
from collections.abc import Collection, Mapping, Sequence
from typing import Final

from fluxrouter_server.domain.ids import AccountUid, PlanName
from fluxrouter_server.domain.plans import Plan
from fluxrouter_server.services.ports.rebuilding import (
    Horizon,
    KnownAccount,
    KnownDocument,
    NewLife,
)
from fluxrouter_server.store.clock import ScriptClock
from fluxrouter_server.store.documents import decode_plan
from fluxrouter_server.store.hold_timing import HoldTiming
from fluxrouter_server.store.initialisation import initialise, survey
from fluxrouter_server.store.keys import (
    SENTINEL,
    AccountField,
    account_keys,
    catalog_key,
    credentials_key,
    meta_key,
    plan_key,
    plans_key,
    prefix,
    shard_of,
)
from fluxrouter_server.store.layout import ClockKind, ShardLife
from fluxrouter_server.store.replies import Command, Reply
from fluxrouter_server.store.restored_accounts import Past, account_commands
from fluxrouter_server.store.runners import StoreRunner
from fluxrouter_server.store.scripts import ScriptLibrary
from fluxrouter_server.store.shard_calls import as_bytes, as_list
from fluxrouter_server.store.witness import Witness

__all__ = ["ValkeyShardRestorer"]

_CALL_SECONDS: Final = 10.0
_AT_ONCE: Final = 1_000
"""Commands of one round trip."""

_HOUR_US: Final = 3_600_000_000


class ValkeyShardRestorer:
    """Restores shards of one store.

    Args:
        client: Connected to the store.
        scripts: All there are.
        kind: Whose time the scripts use.
        clock: That time.
        timing: How long the store remembers.
        witness: Of an embedded store; it is written when shards have new identities.
    """

    def __init__(
        self,
        client: StoreRunner,
        scripts: ScriptLibrary,
        *,
        kind: ClockKind,
        clock: ScriptClock,
        timing: HoldTiming,
        witness: Witness | None,
    ) -> None:
        self._client = client
        self._scripts = scripts
        self._kind = kind
        self._clock = clock
        self._timing = timing
        self._witness = witness
        self._plans: dict[PlanName, Plan] = {}

    async def lost_shards(self) -> Sequence[int]:
        """The shards without an identity; none where a reinitialisation by hand is under way."""
        facts = await survey(self._client, self._scripts)
        if any(fact.is_closed for fact in facts):
            return []
        return [shard for shard, fact in enumerate(facts) if not fact.marker]

    async def outdated_shards(
        self, places: Mapping[AccountUid, tuple[int, int]], *, deleted: Collection[AccountUid]
    ) -> Sequence[int]:
        """The shards in which an account is behind the ledger.

        An account of an earlier epoch than its shard's was given up by a reinitialisation, and
        tells nothing. A deleted one that is missing was purged: the ledger had taken its deletion
        by then, though perhaps not the purge.
        """
        facts = await survey(self._client, self._scripts)
        asked = [
            (uid, seq)
            for uid, (epoch, seq) in places.items()
            if facts[shard_of(uid)].epoch == epoch
        ]
        commands: list[Command] = [
            ("HGET", account_keys(uid).account, AccountField.SEQUENCE) for uid, _ in asked
        ]
        found = await self._run(commands)
        return sorted(
            {
                shard_of(uid)
                for (uid, seq), reply in zip(asked, found, strict=True)
                if int(as_bytes(reply) if reply else b"0") < seq and (reply or uid not in deleted)
            }
        )

    async def empty(self, shards: Sequence[int]) -> None:
        """Remove all that they hold."""
        for shard in shards:
            await self._empty(shard)

    def horizon(self) -> Horizon:
        """Hours and endings that nothing could touch any more are left out."""
        now_us, timing = self._clock.now_us(), self._timing
        first_us = now_us - timing.max_hold_life_us - timing.late_window_us
        return Horizon(first_us // _HOUR_US, now_us - timing.replay_window_us)

    async def restore_documents(
        self, shards: Sequence[int], documents: Sequence[KnownDocument]
    ) -> None:
        """Write plans and the catalog on each of the shards, credentials in theirs."""
        commands: list[Command] = []
        for document in documents:
            match document.kind:
                case "plan":
                    name = PlanName(document.name)
                    if document.body:
                        self._plans[name] = decode_plan(document.body)
                    commands += [_write(plan_key(shard, name), document) for shard in shards]
                    if 0 in shards:
                        commands.append(("HSET", plans_key(), name, ""))
                case "catalog":
                    commands += [_write(catalog_key(shard), document) for shard in shards]
                case "credential" if document.body and 0 in shards:
                    commands.append(("HSET", credentials_key(), SENTINEL, ""))
                    commands.append(("HSET", credentials_key(), document.name, document.body))
        await self._run(commands)

    async def restore_accounts(self, accounts: Sequence[KnownAccount]) -> None:
        """Write documents, keys, counters and what is remembered of ended requests."""
        past = Past(
            now_us=self._clock.now_us(),
            window_us=self._timing.replay_window_us,
            expires=self._kind is ClockKind.REAL,
            plans=self._plans,
        )
        await self._run([word for known in accounts for word in account_commands(known, past)])

    async def open_shards(self, epochs: Mapping[int, int]) -> Sequence[NewLife]:
        """Give each shard an identity of its epoch; written all at once in each shard."""
        await initialise(
            self._client, self._scripts, self._kind, epochs=epochs, layout=self._timing.layout
        )
        facts = await survey(self._client, self._scripts)
        if self._witness is not None:
            lives = tuple(ShardLife(fact.epoch, fact.marker) for fact in facts)
            await asyncio.to_thread(self._witness.write, lives, self._kind)
        return [NewLife(shard, facts[shard].epoch, facts[shard].marker) for shard in epochs]

    async def _empty(self, shard: int) -> None:
        """Take a shard's identity first, so that nothing is decided on half of its data."""
        await self._run([("DEL", meta_key(shard))])
        cursor = b"0"
        while True:
            # The hash tag in it leads to the shard's node, and there to its slot.
            pattern = f"{prefix(shard)}*"
            (reply,) = await self._run([("SCAN", cursor, "MATCH", pattern, "COUNT", _AT_ONCE)])
            next_cursor, found = as_list(reply)
            keys = [as_bytes(key) for key in as_list(found)]
            if keys:
                await self._run([("UNLINK", *keys)])
            cursor = as_bytes(next_cursor)
            if cursor == b"0":
                return

    async def _run(self, commands: Sequence[Command]) -> list[Reply]:
        """Run commands in round trips of some; raises the first failure."""
        replies: list[Reply] = []
        for first in range(0, len(commands), _AT_ONCE):
            replies += await asyncio.gather(
                *(
                    self._client.execute(*words, timeout_seconds=_CALL_SECONDS)
                    for words in commands[first : first + _AT_ONCE]
                )
            )
        return replies


def _write(key: str, document: KnownDocument) -> Command:
    return (
        "HSET", key, "gen", document.generation, "doc", document.body or b"",
        "update_us", document.update_us,
    )  # fmt: skip
