"""The links to a Cluster's primaries, and which of them has which shard.

One task keeps the map: it asks all nodes that answer, takes what most of them say, links to nodes
that are new and lets go of those that have served nothing for a while. It asks each second, and at
once when a call finds out that the map is wrong.
"""

import asyncio
import contextlib
import ssl
from collections import Counter, defaultdict
from collections.abc import Callable, Sequence
from typing import Final, NoReturn

import structlog

from fluxrouter_server.store.addresses import StoreAddress
from fluxrouter_server.store.connection import open_connection
from fluxrouter_server.store.errors import (
    CallFailed,
    CommandNotSent,
    StoreError,
    StoreUnavailable,
    StoreUnsuitable,
)
from fluxrouter_server.store.keys import SHARDS
from fluxrouter_server.store.node_link import NodeLink
from fluxrouter_server.store.replies import ErrorReply
from fluxrouter_server.store.slots import read_slots

__all__ = ["ClusterLinks", "MakeLink", "ask_slots"]

_log = structlog.get_logger(__name__)

MakeLink = Callable[[StoreAddress], NodeLink]
"""Makes the link to a node; it is run here."""

_QUESTION: Final = ("CLUSTER", "SLOTS")
_LOOK_SECONDS: Final = 1.0
_LEAST_LOOK_SECONDS: Final = 0.05
"""Between two looks, whatever happens: a fail-over makes every call want one."""

_ANSWER_SECONDS: Final = 0.5
_KEPT_SECONDS: Final = 10.0
"""A node that serves nothing any more may still have answers on their way."""


class ClusterLinks:
    """Knows the link of each shard. `run` it in a task of its own.

    Args:
        seeds: Nodes to ask first; the others are learnt from them.
        make: See `MakeLink`.
        tls: See `open_connection`.

    Attributes:
        by_shard: The link to the primary of each shard; None where none is known.
        last_error: Why nobody told; None once somebody did.
    """

    def __init__(
        self, seeds: Sequence[StoreAddress], *, make: MakeLink, tls: ssl.SSLContext | None
    ) -> None:
        self._seeds = seeds
        self._make = make
        self._tls = tls
        self._links: dict[StoreAddress, tuple[NodeLink, asyncio.Task[NoReturn]]] = {}
        self._used_at: dict[StoreAddress, float] = {}
        self._attention = asyncio.Event()
        self._group: asyncio.TaskGroup | None = None
        self.by_shard: list[NodeLink | None] = [None] * SHARDS
        self.last_error: StoreError | None = None

    async def run(self) -> NoReturn:
        """Keeps map and links until cancelled; on return all calls have ended."""
        async with asyncio.TaskGroup() as group:
            self._group = group
            while True:
                await self._look()
                await asyncio.sleep(_LEAST_LOOK_SECONDS)
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(self._attention.wait(), _LOOK_SECONDS)
                self._attention.clear()

    def serving(self) -> list[NodeLink]:
        """Each link that has a shard, once."""
        return list(dict.fromkeys(link for link in self.by_shard if link is not None))

    def look_now(self) -> None:
        """Have the map read anew: a call went to the wrong node, or to none."""
        self._attention.set()

    def link_to(self, address: StoreAddress) -> NodeLink:
        """The link to a node, made where there is none."""
        found = self._links.get(address)
        if found is not None:
            return found[0]
        if self._group is None:
            raise CommandNotSent(f"store {address}: not connected (not yet)", may_repeat=True)
        link = self._make(address)
        self._links[address] = (link, self._group.create_task(link.run(), name=f"link {address}"))
        self._used_at[address] = asyncio.get_running_loop().time()
        return link

    def move(self, shard: int, address: StoreAddress) -> NodeLink:
        """A node said that the shard is at another one now."""
        link = self.by_shard[shard] = self.link_to(address)
        self.look_now()
        return link

    async def wait_complete(self) -> None:
        """Waits until every shard has a link that is connected.

        Raises:
            StoreError: A node refused us; waiting will not help.
        """
        while not all(link is not None and link.is_available for link in self.by_shard):
            errors = [self.last_error, *(link.keeper.last_error for link in self.serving())]
            for error in errors:
                if error is not None and not isinstance(error, StoreUnavailable):
                    raise error
            await asyncio.sleep(_LEAST_LOOK_SECONDS)

    async def _look(self) -> None:
        """Asks, and adopts what most say; keeps what is known where nobody answers."""
        votes: dict[int, Counter[StoreAddress]] = defaultdict(Counter)
        for told in await self._ask_all():
            for shard, address in told.items():
                votes[shard][address] += 1
        for shard, counted in votes.items():
            (address, count), *others = counted.most_common(2)
            current = self.by_shard[shard]
            if current is not None and others and others[0][1] == count:
                continue  # they disagree; a redirection will tell
            self.by_shard[shard] = self.link_to(address)
        self._let_go()

    async def _ask_all(self) -> list[dict[int, StoreAddress]]:
        available = [
            (address, link) for address, (link, _) in self._links.items() if link.is_available
        ]
        answers = await asyncio.gather(
            *(self._ask_link(address, link) for address, link in available)
        )
        told = [answer for answer in answers if answer]
        for seed in () if told else self._seeds:
            answer = await self._ask_seed(seed)
            if answer:
                return [answer]
        return told

    async def _ask_link(self, address: StoreAddress, link: NodeLink) -> dict[int, StoreAddress]:
        deadline = asyncio.get_running_loop().time() + _ANSWER_SECONDS
        try:
            return read_slots(await link.calls.submit(_QUESTION, deadline), address)
        except (ErrorReply, CallFailed):
            return {}

    async def _ask_seed(self, seed: StoreAddress) -> dict[int, StoreAddress]:
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                found = await ask_slots(seed, tls=self._tls)
        except (StoreError, OSError, TimeoutError) as error:
            named = f"store {seed}: {str(error) or 'no answer in time'}"
            self.last_error = error if isinstance(error, StoreError) else CommandNotSent(named)
            return {}
        self.last_error = None
        return found

    def _let_go(self) -> None:
        """Ends links that have had no shard for a while."""
        now = asyncio.get_running_loop().time()
        serving = set(map(id, self.serving()))
        for address, (link, task) in list(self._links.items()):
            if id(link) in serving:
                self._used_at[address] = now
            elif now - self._used_at[address] > _KEPT_SECONDS:
                task.cancel()
                del self._links[address], self._used_at[address]
                _log.info("cluster_node_left", address=str(address))


async def ask_slots(seed: StoreAddress, *, tls: ssl.SSLContext | None) -> dict[int, StoreAddress]:
    """Asks a node over a connection of its own; the caller bounds the wait.

    Returns:
        The primary of each shard that is served.

    Raises:
        StoreUnsuitable: It is no Cluster's node, or does not let us in.
        CommandNotSent: It answers an error.
        OSError: Nobody listens there.
    """
    connection = await open_connection(seed, tls=tls)
    try:
        return read_slots(await connection.call(_QUESTION), seed)
    except ErrorReply as reply:
        if "cluster support disabled" in reply.text:
            raise StoreUnsuitable(
                f"store {seed} is a single server and no Cluster node; write "
                "valkey://host:port as its URL"
            ) from reply
        raise CommandNotSent(f"store {seed}: {reply}") from reply
    finally:
        connection.abort()
