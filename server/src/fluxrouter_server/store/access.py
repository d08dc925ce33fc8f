"""Opens the client that a store's shape wants."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from fluxrouter_server.store.addresses import StoreAddress
from fluxrouter_server.store.client import ClientSettings, StoreClient
from fluxrouter_server.store.cluster_client import ClusterClient
from fluxrouter_server.store.cluster_links import ask_slots
from fluxrouter_server.store.errors import CommandNotSent, StoreError
from fluxrouter_server.store.locations import StoreLocation, StoreShape
from fluxrouter_server.store.runners import StoreRunner
from fluxrouter_server.store.scripts import ScriptLibrary
from fluxrouter_server.store.sentinels import SentinelPlace
from fluxrouter_server.store.suitability import Wanted
from fluxrouter_server.store.tls import StoreTls

__all__ = ["StoreAccess", "find_servers", "store_client"]

_ANSWER_SECONDS: Final = 3.0


@dataclass(frozen=True, slots=True)
class StoreAccess:
    """All that a process must know to use a store; it travels to other processes.

    Attributes:
        location: Where it is.
        tls: How it is verified.
        replicas: So many must have a decision before it is answered; 0: the primary alone.
    """

    location: StoreLocation
    tls: StoreTls = field(default_factory=StoreTls)
    replicas: int = 0

    @property
    def wanted(self) -> Wanted:
        """What each of its servers must be."""
        is_cluster = self.location.shape is StoreShape.CLUSTER
        return Wanted(cluster_node=is_cluster, replicas=self.replicas)


async def find_servers(access: StoreAccess) -> Sequence[StoreAddress]:
    """The addresses of all servers that take decisions now.

    Raises:
        StoreError: Nobody who knows them answers.
        OSError: The same.
    """
    location, tls = access.location, access.tls.context()
    if location.shape is StoreShape.SENTINEL:
        return [await SentinelPlace(location, tls=tls).find()]
    if location.shape is StoreShape.SINGLE:
        return location.nodes
    problem: Exception | None = None
    for seed in location.nodes:
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                return list(dict.fromkeys((await ask_slots(seed, tls=tls)).values()))
        except (StoreError, OSError, TimeoutError) as error:
            problem = error
    raise problem or CommandNotSent(f"store {location}: names no node")


def store_client(
    access: StoreAccess,
    *,
    scripts: ScriptLibrary | None = None,
    timeout_seconds: float = 0.2,
) -> StoreRunner:
    """Makes a client for the event loop that runs; use it as `async with`.

    Args:
        access: To which store.
        scripts: See `StoreClient`.
        timeout_seconds: Bound on a call that names no other.

    Raises:
        StoreUnsuitable: A TLS file cannot be used.
    """
    settings = ClientSettings(timeout_seconds=timeout_seconds, replicas=access.replicas)
    tls, location = access.tls.context(), access.location
    if location.shape is StoreShape.CLUSTER:
        return ClusterClient(location, scripts=scripts, settings=settings, tls=tls)
    place = (
        SentinelPlace(location, tls=tls)
        if location.shape is StoreShape.SENTINEL
        else location.nodes[0]
    )
    return StoreClient(place, scripts=scripts, settings=settings, tls=tls)
