"""Gathers what `diagnosis` judges, on a connection that need not belong to a suitable store."""

import asyncio
from collections.abc import Callable
from typing import Final

from fluxrouter_server.store.connection import StoreConnection
from fluxrouter_server.store.diagnosis import StoreFacts
from fluxrouter_server.store.replies import ErrorReply, classify
from fluxrouter_server.store.shard_calls import as_bytes, as_list
from fluxrouter_server.store.suitability import Wanted, parse_info, read_server_facts

__all__ = ["examine"]

_ONE_SERVER: Final = Wanted()


async def examine(
    connection: StoreConnection,
    *,
    layout_problem: str | None,
    now_us: Callable[[], int],
    wanted: Wanted = _ONE_SERVER,
) -> StoreFacts:
    """Ask a store about itself. The caller bounds the wait.

    Args:
        connection: To the store; a store that must not be used can be examined all the same.
        layout_problem: What the layout's keeper found, None where the data can be used.
        now_us: This machine's clock, µs since 1970 UTC.
        wanted: What the server is taken for.

    Raises:
        CommandRefused: The store's user may not run INFO or TIME.
        StoreUnavailable: The connection ended, or the store is not ready.
    """
    server = await read_server_facts(connection, with_replication=bool(wanted.replicas))
    try:
        before_us = now_us()
        seconds, microseconds = as_list(await connection.call(("TIME",)))
        after_us = now_us()
        memory, persistence = await asyncio.gather(
            connection.call(("INFO", "memory")), connection.call(("INFO", "persistence"))
        )
    except ErrorReply as reply:
        raise classify(reply) from reply
    info = parse_info(as_bytes(memory)) | parse_info(as_bytes(persistence))
    store_us = int(as_bytes(seconds)) * 1_000_000 + int(as_bytes(microseconds))
    return StoreFacts(
        server=server,
        layout_problem=layout_problem,
        skew_us=store_us - (before_us + after_us) // 2,
        has_append_only_file=info.get("aof_enabled") == "1",
        append_fsync=await _append_fsync(connection),
        last_write_failed=info.get("aof_last_write_status") == "err",
        used_memory_bytes=int(info.get("used_memory", 0)),
        maxmemory_bytes=int(info.get("maxmemory", 0)),
        wanted=wanted,
    )


async def _append_fsync(connection: StoreConnection) -> str | None:
    """The setting; None where the store refuses to tell, as managed ones do."""
    try:
        _, value = as_list(await connection.call(("CONFIG", "GET", "appendfsync")))
    except (ErrorReply, ValueError):
        return None
    return as_bytes(value).decode()
