"""Says whether a store may be trusted with money, before any decision is made on it.

A store that evicts keys forgets counters, and a forgotten counter is a fresh cap; a replica, or a
Cluster node that is taken for the whole, would refuse half of the scripts; a primary that goes on
without its replicas would forget what it answered. Such a store is refused at every (re)connect,
with the remedy, instead of being found out by wrong bills.
"""

import asyncio
from dataclasses import dataclass
from typing import Final

from fluxrouter_server.store.connection import StoreConnection
from fluxrouter_server.store.errors import StoreUnsuitable
from fluxrouter_server.store.replies import ErrorReply, classify

__all__ = ["ServerFacts", "Wanted", "parse_info", "read_server_facts", "require_suitable"]

_OLDEST_VERSION: Final = (7, 0)
"""The first with script flags, without which settlements stop when the store's memory is full."""

_SECTIONS: Final = ("server", "memory", "replication", "cluster")


@dataclass(frozen=True, slots=True)
class Wanted:
    """What a server is expected to be.

    Attributes:
        cluster_node: One of a Cluster's nodes, and not the whole store.
        replicas: So many must have a decision before it is answered; 0: none.
    """

    cluster_node: bool = False
    replicas: int = 0


@dataclass(frozen=True, slots=True)
class ServerFacts:
    """What the store says of itself.

    Attributes:
        product: `valkey` or `redis`.
        version: The version of the Redis protocol's features that it claims, such as `(7, 2, 4)`.
        run_id: Differs after each restart of the process.
        replication_id: Differs after a fail-over to another history of data.
        role: `master` or `slave`, in the store's own words.
        maxmemory_policy: What it does when memory is full.
        is_cluster_node: Whether it serves only some of the keys.
        connected_replicas: Replicas that follow it now.
        min_replicas_to_write: With fewer it takes no writes; None where that was not asked, or the
            store does not tell.
    """

    product: str
    version: tuple[int, ...]
    run_id: str
    replication_id: str
    role: str
    maxmemory_policy: str
    is_cluster_node: bool
    connected_replicas: int = 0
    min_replicas_to_write: int | None = None


_ONE_SERVER: Final = Wanted()


async def read_server_facts(
    connection: StoreConnection, *, with_replication: bool = False
) -> ServerFacts:
    """Asks the store for what `require_suitable` needs.

    Args:
        connection: To the store.
        with_replication: Ask for its setting of min-replicas-to-write, too.

    Raises:
        CommandRefused: The store's user may not run INFO.
        StoreUnavailable: The connection ended, or the store is not ready.
    """
    # One INFO for each section: several sections in one came only with the version we look for.
    futures = [connection.call(("INFO", section)) for section in _SECTIONS]
    try:
        replies = await asyncio.gather(*futures)
    except ErrorReply as error:
        raise classify(error) from error
    info: dict[str, str] = {}
    for reply in replies:
        if isinstance(reply, bytes):
            info |= parse_info(reply)
    return ServerFacts(
        product=info.get("server_name", "redis"),
        version=_parse_version(info.get("redis_version", "")),
        run_id=info.get("run_id", ""),
        replication_id=info.get("master_replid", ""),
        role=info.get("role", ""),
        maxmemory_policy=info.get("maxmemory_policy", ""),
        is_cluster_node=info.get("cluster_enabled") == "1",
        connected_replicas=int(info.get("connected_slaves", 0)),
        min_replicas_to_write=await _min_replicas(connection) if with_replication else None,
    )


async def _min_replicas(connection: StoreConnection) -> int | None:
    """The setting; None where the store refuses to tell, as managed ones do."""
    try:
        reply = await connection.call(("CONFIG", "GET", "min-replicas-to-write"))
    except ErrorReply:
        return None
    match reply:
        case [_, bytes(value)] if value.isdigit():
            return int(value)
        case _:
            return None


def require_suitable(facts: ServerFacts, wanted: Wanted = _ONE_SERVER) -> None:
    """Refuses a store on which decisions could be wrong.

    Args:
        facts: What it says of itself.
        wanted: What it is taken for.

    Raises:
        StoreUnsuitable: Says what is wrong and how to mend it.
    """
    if facts.version < _OLDEST_VERSION:
        raise StoreUnsuitable(
            f"the store is {facts.product} {'.'.join(map(str, facts.version)) or '?'}, which has "
            "no script flags; use Valkey, or Redis 7.0 or newer"
        )
    if facts.maxmemory_policy != "noeviction":
        raise StoreUnsuitable(
            f"the store's maxmemory-policy is {facts.maxmemory_policy or 'unknown'!r}: it may "
            "evict a spending counter, which would be a fresh cap; set 'maxmemory-policy "
            "noeviction' in its configuration (now: CONFIG SET maxmemory-policy noeviction)"
        )
    if facts.role == "slave":
        raise StoreUnsuitable(
            "the store is a replica, which takes no writes; let the URL lead to the primary"
        )
    if facts.is_cluster_node and not wanted.cluster_node:
        raise StoreUnsuitable(
            "the store is a Cluster node, which serves only some of the keys; "
            "write valkey+cluster://host:port as its URL"
        )
    if wanted.cluster_node and not facts.is_cluster_node:
        raise StoreUnsuitable(
            "the store is a single server and no Cluster node; write valkey://host:port as its URL"
        )
    if wanted.replicas and facts.min_replicas_to_write != wanted.replicas:
        raise StoreUnsuitable(
            f"decisions shall wait for {wanted.replicas} replicas, but the store's "
            f"min-replicas-to-write is {_or_unknown(facts.min_replicas_to_write)}: cut off from "
            "its replicas it would go on admitting, which would be a second cap; set "
            f"'min-replicas-to-write {wanted.replicas}' on each of its servers"
        )


def _or_unknown(value: int | None) -> str:
    return "unknown (its user needs the right to CONFIG GET)" if value is None else str(value)


def parse_info(text: bytes) -> dict[str, str]:
    """Parses a reply of INFO into its fields, without the section headings."""
    lines = text.decode(errors="replace").splitlines()
    return dict(line.split(":", 1) for line in lines if ":" in line and not line.startswith("#"))


def _parse_version(text: str) -> tuple[int, ...]:
    return tuple(int(part) for part in text.split(".") if part.isdigit())
