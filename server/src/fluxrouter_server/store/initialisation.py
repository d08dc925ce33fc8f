"""Reads what the shards say of themselves, and begins the first or the next life of their data."""

import asyncio
from collections import defaultdict
from collections.abc import Mapping, Sequence
from secrets import token_hex
from typing import Final

from fluxrouter_server.services.ports.errors import StoreError, StoreRefused
from fluxrouter_server.store.keys import (
    SHARD_HASH,
    SHARDS,
    USUAL_LAYOUT,
    MetaField,
    ledger_key,
    meta_key,
    names_key,
    shard_due_key,
)
from fluxrouter_server.store.layout import ClockKind, ShardFacts, ShardLife
from fluxrouter_server.store.replies import Argument, Reply
from fluxrouter_server.store.runners import StoreRunner
from fluxrouter_server.store.scripts import ScriptLibrary
from fluxrouter_server.store.shard_calls import FAN_OUT_SECONDS, as_bytes, as_int, as_list
from fluxrouter_server.store.slots import shard_named
from fluxrouter_server.store.witness import Witness

__all__ = ["change_layout", "initialise", "reinitialise", "survey"]

_MARKER_BYTES: Final = 8
_KEYS_SCANNED: Final = 1_000
"""At a time, so that the store goes on answering others."""


async def survey(client: StoreRunner, scripts: ScriptLibrary) -> tuple[ShardFacts, ...]:
    """Read what every shard says of itself, in one round trip; raises StoreError."""
    calls = [((meta_key(shard), names_key(shard)), ()) for shard in range(SHARDS)]
    return tuple(map(_facts, await _on_each(client, scripts, "read_shard", calls)))


async def initialise(
    client: StoreRunner,
    scripts: ScriptLibrary,
    clock: ClockKind,
    *,
    epochs: Mapping[int, int] | None = None,
    layout: str = USUAL_LAYOUT,
) -> None:
    """Give an identity to every shard that has none, or to those that `epochs` names.

    A shard's epoch is what `epochs` says, else what a reinitialisation chose, else the first.

    Each shard is one atomic step in which the first comes first: any number of servers may do this
    at once, or one again after it was interrupted, and all find the same identities afterwards.

    Raises:
        StoreError: Some shard did not answer; do it again.
    """
    # The entry that this leaves in the ledger is stamped with real time even if the clock is
    # simulated: nothing is counted by it.
    calls = [
        (
            (meta_key(shard), names_key(shard), shard_due_key(shard), ledger_key(shard)),
            (
                *(layout, token_hex(_MARKER_BYTES), "", SHARDS, SHARD_HASH, clock),
                "" if epochs is None else epochs[shard],
            ),
        )
        for shard in (range(SHARDS) if epochs is None else epochs)
    ]
    await _on_each(client, scripts, "initialise_shard", calls)


async def reinitialise(
    client: StoreRunner,
    scripts: ScriptLibrary,
    *,
    clock: ClockKind,
    witness: Witness | None = None,
    layout: str = USUAL_LAYOUT,
) -> tuple[ShardLife, ...]:
    """Begin the next life of every shard, keeping nothing. Only on somebody's explicit word.

    Servers that run meanwhile answer UNAVAILABLE from the first step on. If this ends half way, the
    store stays fenced, and doing it again completes it.

    Args:
        client: Connected to the store.
        scripts: All there are.
        clock: Whose time the servers' scripts will use.
        witness: Of an embedded store; it is written last.
        layout: See `HoldTiming.layout`.

    Returns:
        The new lives, by shard, with epochs above all that the store and the witness knew. Where
        neither knew any, the epoch comes from the store's clock and is above what was lost.

    Raises:
        StoreError: It did not come to its end.
    """
    epochs = [fact.epoch for fact in await survey(client, scripts)]
    epochs += [life.epoch for life in await _remembered(witness)]
    highest = max(epochs) or await _minutes_on_store(client)
    closing = [((meta_key(shard),), (highest,)) for shard in range(SHARDS)]
    await _on_each(client, scripts, "close_shard", closing)
    await _remove_data(client)
    await initialise(client, scripts, clock, layout=layout)
    facts = await survey(client, scripts)
    lives = tuple(ShardLife(fact.epoch, fact.marker) for fact in facts)
    if witness is not None:
        await asyncio.to_thread(witness.write, lives, clock)
    return lives


async def change_layout(client: StoreRunner, scripts: ScriptLibrary, layout: str) -> int:
    """Have every shard that has an identity say that its servers use other spans.

    Servers that run meanwhile are refused by every script from then on.

    Returns:
        How many shards have it now.

    Raises:
        StoreError: Some shard did not answer; do it again.
    """
    facts = await survey(client, scripts)
    shards = [shard for shard, fact in enumerate(facts) if fact.marker]
    for shard in shards:
        await client.execute("HSET", meta_key(shard), MetaField.LAYOUT, layout)
    return len(shards)


async def _remembered(witness: Witness | None) -> tuple[ShardLife, ...]:
    if witness is None:
        return ()
    try:
        return await asyncio.to_thread(witness.read) or ()
    except StoreRefused:
        return ()  # a file that nobody can read is among what a reinitialisation mends


async def _minutes_on_store(client: StoreRunner) -> int:
    """Minutes since 1970: above every epoch that was counted from 1, and it grows by itself."""
    seconds, _ = as_list(await client.execute("TIME"))
    return int(as_bytes(seconds)) // 60


async def _remove_data(client: StoreRunner) -> None:
    """Remove every key of ours but the identities, which keep the epoch."""
    kept = {meta_key(shard).encode() for shard in range(SHARDS)}
    for node in client.nodes():
        cursor = b"0"
        while True:
            reply = await node.execute(
                "SCAN", cursor, "MATCH", "fx:{*", "COUNT", _KEYS_SCANNED,
                timeout_seconds=FAN_OUT_SECONDS,
            )  # fmt: skip
            next_cursor, found = as_list(reply)
            await _unlink(client, [key for key in map(as_bytes, as_list(found)) if key not in kept])
            cursor = as_bytes(next_cursor)
            if cursor == b"0":
                break


async def _unlink(client: StoreRunner, keys: list[bytes]) -> None:
    """Remove keys, those of each shard in a command of its own: others may lie elsewhere."""
    by_shard: dict[int | None, list[bytes]] = defaultdict(list)
    for key in keys:
        by_shard[shard_named((key,))].append(key)
    await asyncio.gather(
        *(
            client.execute("UNLINK", *some, timeout_seconds=FAN_OUT_SECONDS)
            for some in by_shard.values()
        )
    )


async def _on_each(
    client: StoreRunner,
    scripts: ScriptLibrary,
    script: str,
    calls: Sequence[tuple[Sequence[Argument], Sequence[Argument]]],
) -> list[list[Reply]]:
    """Run a script that needs no marker on every shard; raises the first failure."""
    answers: list[list[Reply]] = []
    outcomes = await client.evaluate_each(scripts[script], calls, timeout_seconds=FAN_OUT_SECONDS)
    for outcome in outcomes:
        if isinstance(outcome, StoreError):
            raise outcome
        answers.append(as_list(outcome)[1:])
    return answers


def _facts(answer: list[Reply]) -> ShardFacts:
    *texts, accounts = answer
    layout, shards, shard_hash, clock, epoch, marker = (
        as_bytes(text).decode(errors="replace") for text in texts
    )
    return ShardFacts(
        identity=(layout, shards, shard_hash) if layout else None,
        clock=clock or None,
        epoch=int(epoch) if epoch.isdecimal() else 0,
        marker=marker,
        accounts=as_int(accounts),
    )
