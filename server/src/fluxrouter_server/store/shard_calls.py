"""Runs scripts on shards: adds what every script is told first, and reads what any may answer.

Every script takes the shard's identity key first, and as its first arguments the layout, the marker
that the shard's data should have, and the time where the clock is simulated. Every script answers
an array whose first element says what became of it.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from fluxrouter_server.services.ports.errors import StoreError, StoreRefused, StoreUnavailable
from fluxrouter_server.store.clock import ScriptClock
from fluxrouter_server.store.keys import USUAL_LAYOUT, meta_key
from fluxrouter_server.store.replies import Argument, Outcome, Reply
from fluxrouter_server.store.scripts import Script, ScriptLibrary

__all__ = [
    "FAN_OUT_SECONDS",
    "Answer",
    "ScriptRunner",
    "ShardCall",
    "ShardCalls",
    "ShardLives",
    "as_bytes",
    "as_int",
    "as_list",
]

FAN_OUT_SECONDS: Final = 2.0
"""Bound on a call to every shard: one that takes longer than a second broke its promise anyway."""

Answer = list[Reply]
"""An answer without its first element, which was `OK`."""


class ScriptRunner(Protocol):
    """What is needed of a store client."""

    async def evaluate(
        self,
        script: Script,
        keys: Sequence[Argument],
        args: Sequence[Argument],
        *,
        timeout_seconds: float | None = None,
    ) -> Reply:
        """Run a script; raises StoreError."""
        ...

    async def evaluate_each(
        self,
        script: Script,
        calls: Sequence[tuple[Sequence[Argument], Sequence[Argument]]],
        *,
        timeout_seconds: float | None = None,
    ) -> Sequence[Outcome]:
        """Run a script once for each (keys, args), in one round trip."""
        ...


class ShardLives(Protocol):
    """Which data each shard should hold."""

    @property
    def markers(self) -> Sequence[str]:
        """The marker to expect, by shard."""
        ...

    def report_lost(self, shard: int) -> StoreUnavailable:
        """Take note that a shard answered LOST; returns the error that says what to do."""
        ...


@dataclass(frozen=True, slots=True)
class ShardCall:
    """One call: its shard, its keys after the first and its arguments after the first three."""

    shard: int
    keys: Sequence[Argument]
    args: Sequence[Argument] = ()


class ShardCalls:
    """Runs scripts by name.

    Args:
        client: Sends them.
        scripts: All there are.
        lives: Which data each shard should hold.
        clock: Given to scripts.
        layout: See `HoldTiming.layout`.
        timeout_seconds: Bound on a call to one shard; None is the client's own.
    """

    def __init__(
        self,
        client: ScriptRunner,
        scripts: ScriptLibrary,
        *,
        lives: ShardLives,
        clock: ScriptClock,
        layout: str = USUAL_LAYOUT,
        timeout_seconds: float | None = None,
    ) -> None:
        self._client = client
        self._scripts = scripts
        self._lives = lives
        self._clock = clock
        self._layout = layout
        self._timeout_seconds = timeout_seconds

    async def run(
        self, script: str, shard: int, keys: Sequence[Argument], *args: Argument
    ) -> Answer:
        """Run a script on one shard.

        Raises:
            StoreUnavailable: No answer, or the shard lost its data.
            StoreRefused: Its data has another layout or clock.
        """
        keys, arguments = self._words(ShardCall(shard, keys, args))
        reply = await self._client.evaluate(
            self._scripts[script], keys, arguments, timeout_seconds=self._timeout_seconds
        )
        outcome = self._read(shard, reply)
        if isinstance(outcome, StoreError):
            raise outcome
        return outcome

    async def run_each(
        self, script: str, calls: Iterable[ShardCall]
    ) -> Sequence[Answer | StoreError]:
        """Run a script many times in one round trip; one call's failure harms no other."""
        calls = list(calls)
        replies = await self._client.evaluate_each(
            self._scripts[script], list(map(self._words, calls)), timeout_seconds=FAN_OUT_SECONDS
        )
        return [self._read(call.shard, reply) for call, reply in zip(calls, replies, strict=True)]

    async def run_all(self, script: str, calls: Iterable[ShardCall]) -> Sequence[Answer]:
        """Run a script many times in one round trip; raises the first failure there is."""
        answers: list[Answer] = []
        for outcome in await self.run_each(script, calls):
            if isinstance(outcome, StoreError):
                raise outcome
            answers.append(outcome)
        return answers

    def _words(self, call: ShardCall) -> tuple[Sequence[Argument], Sequence[Argument]]:
        first = (self._layout, self._lives.markers[call.shard], self._clock.argument())
        return (meta_key(call.shard), *call.keys), (*first, *call.args)

    def _read(self, shard: int, reply: Outcome) -> Answer | StoreError:
        match reply:
            case StoreError():
                return reply
            case [b"LOST", *_]:
                return self._lives.report_lost(shard)
            case [b"LAYOUT" | b"CLOCK" as what, bytes(found), *_]:
                return StoreRefused(
                    f"shard {shard:02x} of the store has {what.decode().lower()} "
                    f"{found.decode(errors='replace')}, which this server was not started for: "
                    "restart it, and see `fluxrouter doctor`"
                )
            case [b"OK", *answer]:
                return answer
            case _:
                return StoreRefused(f"shard {shard:02x} of the store answered {reply!r}")


def as_bytes(reply: Reply) -> bytes:
    """Narrow an element that a script always answers as text."""
    if isinstance(reply, bytes):
        return reply
    raise StoreRefused(f"the store answered {reply!r} where text belongs: its scripts are others")


def as_int(reply: Reply) -> int:
    """Narrow an element that a script always answers as a number."""
    if isinstance(reply, int):
        return reply
    raise StoreRefused(
        f"the store answered {reply!r} where a number belongs: its scripts are others"
    )


def as_list(reply: Reply) -> list[Reply]:
    """Narrow an element that a script always answers as an array."""
    if isinstance(reply, list):
        return reply
    raise StoreRefused(
        f"the store answered {reply!r} where an array belongs: its scripts are others"
    )
