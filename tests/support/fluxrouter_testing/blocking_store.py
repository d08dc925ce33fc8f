"""Runs scripts on a real store without an event loop, for tests that make thousands of calls.

Stores of this server are coroutines that wait for nothing but their client. With a client that
blocks they never wait at all, so `finish` runs them to their end at once.
"""

import socket
from collections.abc import Coroutine, Sequence
from typing import Any, TypeVar

import hiredis

from fluxrouter_server.store.errors import StoreError
from fluxrouter_server.store.replies import Argument, ErrorReply, Outcome, Reply, classify
from fluxrouter_server.store.scripts import Script
from fluxrouter_testing.valkey import ThrowawayValkey

__all__ = ["BlockingClient", "finish"]

T = TypeVar("T")

_MORE = object()


def finish(coroutine: Coroutine[Any, Any, T]) -> T:
    """Runs a coroutine that never waits; returns what it returns, raises what it raises."""
    try:
        coroutine.send(None)
    except StopIteration as end:
        result: T = end.value
        return result
    coroutine.close()
    raise AssertionError("it waits for something; run it in an event loop")


class BlockingClient:
    """One connection; it counts the calls that it made. Implements `ScriptRunner`."""

    def __init__(self, server: ThrowawayValkey) -> None:
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._socket.settimeout(10)
        self._socket.connect(server.address.path)
        self._reader = hiredis.Reader(replyError=ErrorReply, notEnoughData=_MORE)
        self._loaded: set[str] = set()

    def close(self) -> None:
        """Ends the connection."""
        self._socket.close()

    def command(self, *words: Argument) -> Reply:
        """Runs one command; raises what `classify` makes of an error."""
        (reply,) = self.pipeline([words])
        if isinstance(reply, ErrorReply):
            raise classify(reply)
        return reply

    def pipeline(self, commands: Sequence[Sequence[Argument]]) -> "list[Reply | ErrorReply]":
        """Runs many commands; errors are among the replies."""
        packed = b"".join(hiredis.pack_command(tuple(words)) for words in commands)  # type: ignore[arg-type]
        self._socket.sendall(packed)
        return [self._receive() for _ in commands]

    async def evaluate(
        self,
        script: Script,
        keys: Sequence[Argument],
        args: Sequence[Argument],
        *,
        timeout_seconds: float | None = None,
    ) -> Reply:
        """Run a script; raises StoreError."""
        (outcome,) = await self.evaluate_each(
            script, [(keys, args)], timeout_seconds=timeout_seconds
        )
        if isinstance(outcome, StoreError):
            raise outcome
        return outcome

    async def evaluate_each(
        self,
        script: Script,
        calls: Sequence[tuple[Sequence[Argument], Sequence[Argument]]],
        *,
        timeout_seconds: float | None = None,  # noqa: ARG002 - of the protocol; this one blocks
    ) -> Sequence[Outcome]:
        """Run a script once for each (keys, args), in one round trip."""
        if script.sha not in self._loaded:
            self.command("SCRIPT", "LOAD", script.source)
            self._loaded.add(script.sha)
        replies = self.pipeline(
            [("EVALSHA", script.sha, len(keys), *keys, *args) for keys, args in calls]
        )
        return [
            classify(reply, script.explain(reply.text)) if isinstance(reply, ErrorReply) else reply
            for reply in replies
        ]

    def _receive(self) -> "Reply | ErrorReply":
        reply: Any
        while (reply := self._reader.gets()) is _MORE:
            received = self._socket.recv(1 << 20)
            if not received:
                raise ConnectionResetError("the server closed the connection")
            self._reader.feed(received)
        return reply  # type: ignore[no-any-return]
