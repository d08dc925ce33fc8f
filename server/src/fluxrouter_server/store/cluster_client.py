"""A Cluster as the rest of the server calls it: as `StoreClient`, with a link to each primary.

Promise: as `StoreClient`'s. A redirection means that nothing happened, and is followed, item by
item, within the call's time; so a call finds its data while slots move and after a fail-over.
"""

import asyncio
import ssl
from collections.abc import Coroutine, Hashable, Sequence
from dataclasses import dataclass
from typing import Any, NoReturn

from fluxrouter_server.store.addresses import StoreAddress
from fluxrouter_server.store.background import RunsInBackground
from fluxrouter_server.store.client import ClientSettings
from fluxrouter_server.store.cluster_links import ClusterLinks
from fluxrouter_server.store.errors import CallFailed, CommandNotSent, StoreError
from fluxrouter_server.store.locations import StoreLocation
from fluxrouter_server.store.node_link import NodeLink
from fluxrouter_server.store.repeats import (
    FIRST_PAUSE_SECONDS,
    abandon,
    explain,
    failed,
    is_unknown_script,
    may_repeat,
    next_pause,
)
from fluxrouter_server.store.replies import Argument, Command, ErrorReply, Outcome, Reply, classify
from fluxrouter_server.store.runners import CommandRunner, OnLife
from fluxrouter_server.store.scripts import Script, ScriptLibrary
from fluxrouter_server.store.slots import read_redirection, shard_named
from fluxrouter_server.store.suitability import Wanted

__all__ = ["ClusterClient"]

_REDIRECTIONS_AT_ONCE = 2
"""Followed without a pause; more of them mean that the nodes do not agree yet."""


@dataclass(slots=True)
class _Call:
    """One call under way.

    Attributes:
        command: What is sent.
        shard: Whose key it has; None: any node will do.
        script: Which script it runs, if any.
        deadline: On the loop's clock.
        lives: In which of the store's lives it was begun, where that matters.
        link: Where it was sent last.
    """

    command: Command
    shard: int | None
    script: Script | None
    deadline: float
    lives: int | None
    link: NodeLink | None = None


class ClusterClient(RunsInBackground):
    """Runs commands and scripts on a Cluster. Implements `StoreRunner`.

    Args:
        location: Some of its nodes.
        scripts: Loaded into each node at each connect.
        settings: Waits and bounds; of each node's own connection.
        tls: See `open_connection`.
    """

    def __init__(
        self,
        location: StoreLocation,
        *,
        scripts: ScriptLibrary | None = None,
        settings: ClientSettings | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__()
        self._location = location
        self._settings = settings = settings or ClientSettings()
        self._loop = asyncio.get_running_loop()
        self._on_life: OnLife | None = None
        self._lives = 0
        self._links = ClusterLinks(
            location.nodes,
            make=lambda address: self._watched(
                NodeLink(
                    address,
                    scripts=scripts,
                    wanted=Wanted(cluster_node=True, replicas=settings.replicas),
                    settings=settings.keeper,
                    replication_seconds=settings.replication_seconds,
                    tls=tls,
                )
            ),
            tls=tls,
        )

    async def run(self) -> NoReturn:
        """Keeps the connections until cancelled; on return all calls have ended."""
        await self._links.run()

    async def wait_ready(self, timeout_seconds: float) -> None:
        """Waits until every shard can be used; raises as `StoreClient.wait_ready` does."""
        try:
            async with asyncio.timeout(timeout_seconds):
                await self._links.wait_complete()
        except TimeoutError:
            raise CommandNotSent(
                f"store {self._location}: not every slot is served within {timeout_seconds:g} s: "
                f"{self.last_error or 'no answer'}"
            ) from None

    @property
    def is_cluster(self) -> bool:
        """It is."""
        return True

    @property
    def is_available(self) -> bool:
        """Whether a call to any of the shards would be sent now."""
        return any(link.is_available for link in self._links.serving())

    @property
    def last_error(self) -> StoreError | None:
        """Why a node, or all of them, cannot be used."""
        errors = (link.keeper.last_error for link in self._links.serving())
        return next((error for error in errors if error is not None), self._links.last_error)

    @property
    def life(self) -> Hashable:
        """The runs and histories of all nodes that serve; None while one is not known yet."""
        facts = [link.facts for link in self._links.serving()]
        if not facts or None in facts:
            return None
        return frozenset((fact.run_id, fact.replication_id) for fact in facts if fact is not None)

    def watch_life(self, on_life: OnLife) -> None:
        """Have this asked where a node is in another life, before anything is sent to it."""
        self._on_life = on_life

    def nodes(self) -> Sequence[CommandRunner]:
        """Each primary."""
        return [_Node(link, self._settings.timeout_seconds) for link in self._links.serving()]

    async def execute(self, *command: Argument, timeout_seconds: float | None = None) -> Reply:
        """Runs one command on the node of its first key; see `StoreClient.execute`."""
        return await self._run(self._call(command, shard_named(command), None, timeout_seconds))

    def evaluate(
        self,
        script: Script,
        keys: Sequence[Argument],
        args: Sequence[Argument],
        *,
        timeout_seconds: float | None = None,
    ) -> Coroutine[Any, Any, Reply]:
        """Runs a script on the node of its keys; see `StoreClient.evaluate`."""
        command = ("EVALSHA", script.sha, len(keys), *keys, *args)
        return self._run(self._call(command, shard_named(keys), script, timeout_seconds))

    async def evaluate_each(
        self,
        script: Script,
        calls: Sequence[tuple[Sequence[Argument], Sequence[Argument]]],
        *,
        timeout_seconds: float | None = None,
    ) -> list[Outcome]:
        """Runs a script many times, in one round trip to each node that has some of the keys."""
        begun = []
        for keys, args in calls:
            command = ("EVALSHA", script.sha, len(keys), *keys, *args)
            call = self._call(command, shard_named(keys), script, timeout_seconds)
            begun.append((call, self._begin(call)))
        results: list[Outcome] = []
        try:
            for call, future in begun:
                try:
                    results.append(await self._finish(call, future))
                except StoreError as error:
                    results.append(error)
        finally:
            abandon([future for _, future in begun])
        return results

    def _call(
        self,
        command: Command,
        shard: int | None,
        script: Script | None,
        timeout_seconds: float | None,
    ) -> _Call:
        wait = self._settings.timeout_seconds if timeout_seconds is None else timeout_seconds
        lives = None if script is None else self._lives
        return _Call(command, shard, script, self._loop.time() + wait, lives)

    def _watched(self, link: NodeLink) -> NodeLink:
        link.on_life = self._meet_life
        return link

    def _meet_life(self) -> bool:
        is_over = self._on_life is not None and self._on_life()
        self._lives += is_over
        return is_over

    async def _run(self, call: _Call) -> Reply:
        return await self._finish(call, self._begin(call))

    def _begin(self, call: _Call) -> asyncio.Future[Reply]:
        """Sends it where its key should be; a failure to send is the future's."""
        try:
            if call.lives is not None and call.lives != self._lives:
                # What was begun for a life of the store that is over must not be done in the next.
                raise CommandNotSent(
                    f"store {self._location}: a server was restarted meanwhile", is_outage=False
                )
            call.link = self._link(call.shard)
            return call.link.calls.submit(call.command, call.deadline)
        except CallFailed as error:
            return failed(error)

    async def _finish(self, call: _Call, future: asyncio.Future[Reply]) -> Reply:
        """Awaits the reply; follows redirections and repeats what was not executed."""
        pause, redirections = FIRST_PAUSE_SECONDS, 0
        while True:
            try:
                reply = await future
            except (ErrorReply, CallFailed) as error:
                failure, raw = explain(error, call.script), error
            else:
                if call.link is not None:
                    call.link.calls.record_answer()
                return reply
            if not may_repeat(failure) or self._loop.time() + pause >= call.deadline:
                self._give_up(call, failure)
            target = read_redirection(raw, self._location.servers)
            if target is not None and redirections < _REDIRECTIONS_AT_ONCE:
                redirections += 1
            elif not is_unknown_script(failure):
                self._links.look_now()
                await asyncio.sleep(pause)
                pause = next_pause(pause)
            future = self._repeat(call, target, failure, raw)

    def _repeat(
        self,
        call: _Call,
        target: StoreAddress | None,
        failure: StoreError,
        raw: ErrorReply | CallFailed,
    ) -> asyncio.Future[Reply]:
        """Sends it again: to where it was told to, or to where the map says by now."""
        if target is None and not is_unknown_script(failure):
            return self._begin(call)
        try:
            if target is None:
                self._also(call, ("SCRIPT", "LOAD", call.script.source if call.script else ""))
            elif isinstance(raw, ErrorReply) and raw.code == "ASK":
                call.link = self._links.link_to(target)
                self._also(call, ("ASKING",))
            elif call.shard is not None:
                call.link = self._links.move(call.shard, target)
            if call.link is None:
                return self._begin(call)
            return call.link.calls.submit(call.command, call.deadline)
        except CallFailed as error:
            return failed(error)

    def _also(self, call: _Call, command: Command) -> None:
        """Sends a command right before the call, on the same connection."""
        if call.link is not None:
            call.link.calls.submit(command, call.deadline).add_done_callback(_ignore)

    def _give_up(self, call: _Call, failure: StoreError) -> NoReturn:
        if call.link is not None:
            call.link.calls.record_failure(failure)
        self._links.look_now()
        raise failure

    def _link(self, shard: int | None) -> NodeLink:
        if shard is None:
            serving = self._links.serving()
            link = next((one for one in serving if one.is_available), None)
        else:
            link = self._links.by_shard[shard]
        if link is None:
            raise CommandNotSent(
                f"store {self._location}: no node is known for this key "
                f"({self._links.last_error or 'not yet'})",
                may_repeat=True,
            )
        return link


class _Node:
    """One node alone; see `ClusterClient.nodes`."""

    def __init__(self, link: NodeLink, timeout_seconds: float) -> None:
        self._link = link
        self._timeout_seconds = timeout_seconds

    async def execute(self, *command: Argument, timeout_seconds: float | None = None) -> Reply:
        """Runs one command, once; raises StoreError."""
        wait = self._timeout_seconds if timeout_seconds is None else timeout_seconds
        deadline = asyncio.get_running_loop().time() + wait
        try:
            return await self._link.calls.submit(command, deadline)
        except ErrorReply as reply:
            raise classify(reply) from reply


def _ignore(future: asyncio.Future[Reply]) -> None:
    """What became of it shows in the command that follows."""
    if not future.cancelled():
        future.exception()
