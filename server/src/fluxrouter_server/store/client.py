"""The store as the rest of the server calls it: bounded waits, safe repeats, no surprises.

Promise: every call ends within its time-out (a hung store included) plus at most 11 ms, with a
reply or an error that says whether the command may have been executed. What certainly was not
executed is repeated within that time; what may have been is never repeated here, because only the
caller knows whether that is safe.
"""

import asyncio
import ssl
from collections.abc import Coroutine, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from fluxrouter_server.store.addresses import Place
from fluxrouter_server.store.background import RunsInBackground
from fluxrouter_server.store.errors import CallFailed, StoreError
from fluxrouter_server.store.keeper import KeeperSettings
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
from fluxrouter_server.store.replies import Argument, Command, ErrorReply, Outcome, Reply
from fluxrouter_server.store.runners import CommandRunner, OnLife
from fluxrouter_server.store.scripts import Script, ScriptLibrary
from fluxrouter_server.store.suitability import ServerFacts, Wanted

__all__ = ["ClientSettings", "StoreClient"]

_REPLICATION_SHARE: Final = 0.6
"""Of the time of a call; the rest is for the call's way and for those ahead of it."""


@dataclass(frozen=True, slots=True)
class ClientSettings:
    """How the client waits.

    Attributes:
        timeout_seconds: Bound on a call that names no other. 200 ms leave a promise of an answer
            within 250 ms enough room for the rest of the server.
        keeper: How the connection is kept.
        replicas: So many must have a decision before it is answered; 0: the primary alone.
    """

    timeout_seconds: float = 0.2
    keeper: KeeperSettings = field(default_factory=KeeperSettings)
    replicas: int = 0

    @property
    def replication_seconds(self) -> float:
        """How long replicas may take: less than a call, which else could not tell their fault."""
        return _REPLICATION_SHARE * self.timeout_seconds


class StoreClient(RunsInBackground):
    """Runs commands and scripts on one server over one pipelined connection.

    Implements `StoreRunner`.

    Use it as `async with StoreClient(...) as client`, or run `client.run()` in a TaskGroup; calls
    made before either fail with `CommandNotSent`. It belongs to one event loop.

    Args:
        place: Where the store is to be found, such as its address.
        scripts: Loaded into the store at each connect, so that running one costs its hash only.
        settings: Waits and bounds.
        tls: See `open_connection`.

    Attributes:
        breaker: The circuit breaker, for health and metrics.
    """

    def __init__(
        self,
        place: Place,
        *,
        scripts: ScriptLibrary | None = None,
        settings: ClientSettings | None = None,
        tls: ssl.SSLContext | None = None,
    ) -> None:
        super().__init__()
        self._settings = settings or ClientSettings()
        self._link = NodeLink(
            place,
            scripts=scripts,
            wanted=Wanted(replicas=self._settings.replicas),
            settings=self._settings.keeper,
            replication_seconds=self._settings.replication_seconds,
            tls=tls,
        )
        self.breaker = self._link.breaker
        self._loop = asyncio.get_running_loop()
        self._calls = self._link.calls

    async def run(self) -> NoReturn:
        """Keeps the connection until cancelled; on return all calls have ended."""
        await self._link.run()

    async def wait_ready(self, timeout_seconds: float) -> None:
        """Waits until the store can be used; raises as `ConnectionKeeper.wait_ready` does."""
        await self._link.keeper.wait_ready(timeout_seconds)

    @property
    def is_available(self) -> bool:
        """Whether a call made now would be sent."""
        return self.breaker.is_closed and self._link.keeper.current is not None

    @property
    def last_error(self) -> StoreError | None:
        """Why the last attempt to connect failed, for health; None once one succeeded."""
        return self._link.keeper.last_error

    @property
    def is_cluster(self) -> bool:
        """It is one server."""
        return False

    @property
    def facts(self) -> ServerFacts | None:
        """What the store said of itself at the last connect; None before the first."""
        return self._link.facts

    @property
    def life(self) -> Hashable:
        """The run and the history of data that the server was in at the last connect."""
        facts = self._link.facts
        return None if facts is None else (facts.run_id, facts.replication_id)

    def watch_life(self, on_life: OnLife) -> None:
        """Have this asked where the server is in another life, before anything is sent to it."""
        self._link.on_life = on_life

    def nodes(self) -> Sequence[CommandRunner]:
        """This one."""
        return [self]

    async def execute(self, *command: Argument, timeout_seconds: float | None = None) -> Reply:
        """Runs one command.

        Args:
            command: The command's words.
            timeout_seconds: Bound on the wait, repeats included; default: the settings'.

        Raises:
            StoreUnavailable: No answer; see its `outcome_unknown`.
            CommandRefused: The store answered an error.
        """
        return await self._run(command, None, self._deadline(timeout_seconds))

    def evaluate(
        self,
        script: Script,
        keys: Sequence[Argument],
        args: Sequence[Argument],
        *,
        timeout_seconds: float | None = None,
    ) -> Coroutine[Any, Any, Reply]:
        """Runs a script by its hash; loads it first where the store does not know it.

        Args:
            script: Which.
            keys: All keys that it touches.
            args: Its other arguments.
            timeout_seconds: Bound on the wait, repeats included; default: the settings'.

        Raises:
            StoreUnavailable: No answer; see its `outcome_unknown`.
            CommandRefused: The script answered an error, or was interrupted by one.
        """
        command = ("EVALSHA", script.sha, len(keys), *keys, *args)
        return self._run(command, script, self._deadline(timeout_seconds))

    async def evaluate_each(
        self,
        script: Script,
        calls: Sequence[tuple[Sequence[Argument], Sequence[Argument]]],
        *,
        timeout_seconds: float | None = None,
    ) -> list[Outcome]:
        """Runs a script once for each (keys, args), in one round trip and without a task for each.

        Returns:
            For each call its reply or its own error, in order: one that fails harms no other.
        """
        deadline = self._deadline(timeout_seconds)
        commands = [("EVALSHA", script.sha, len(keys), *keys, *args) for keys, args in calls]
        futures = [self._begin(command, deadline) for command in commands]
        results: list[Outcome] = []
        try:
            for command, future in zip(commands, futures, strict=True):
                results.append(await self._finish(command, script, future, deadline))
        finally:
            abandon(futures)
        return results

    async def _run(self, command: Command, script: Script | None, deadline: float) -> Reply:
        try:
            reply = await self._calls.submit(command, deadline)
        except (ErrorReply, CallFailed) as error:
            return await self._recover(command, script, error, deadline)
        self._calls.record_answer()
        return reply

    def _begin(self, command: Command, deadline: float) -> asyncio.Future[Reply]:
        try:
            return self._calls.submit(command, deadline)
        except CallFailed as error:
            return failed(error)

    async def _finish(
        self, command: Command, script: Script, first_try: asyncio.Future[Reply], deadline: float
    ) -> Outcome:
        try:
            reply = await first_try
        except (ErrorReply, CallFailed) as error:
            failure = error
        else:
            self._calls.record_answer()
            return reply
        try:
            return await self._recover(command, script, failure, deadline)
        except StoreError as error:
            return error

    def _deadline(self, timeout_seconds: float | None) -> float:
        wait = self._settings.timeout_seconds if timeout_seconds is None else timeout_seconds
        return self._loop.time() + wait

    async def _recover(
        self,
        command: Command,
        script: Script | None,
        error: ErrorReply | CallFailed,
        deadline: float,
    ) -> Reply:
        """After a first try that failed: repeats what was not executed, while there is time."""
        pause, lives = FIRST_PAUSE_SECONDS, self._link.lives
        while True:
            failure = explain(error, script)
            # What was begun for a life of the store that is over must not be done in the next.
            is_over = script is not None and lives != self._link.lives
            if is_over or not may_repeat(failure) or self._loop.time() + pause >= deadline:
                self._calls.record_failure(failure)
                raise failure
            try:
                if script is not None and is_unknown_script(failure):
                    await self._calls.submit(("SCRIPT", "LOAD", script.source), deadline)
                else:
                    await asyncio.sleep(pause)
                    pause = next_pause(pause)
                if script is not None and lives != self._link.lives:
                    continue
                reply = await self._calls.submit(command, deadline)
            except (ErrorReply, CallFailed) as next_error:
                error = next_error
                continue
            self._calls.record_answer()
            return reply
