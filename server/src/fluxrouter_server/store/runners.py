"""What the rest of this package needs of a store client, whatever the store's shape."""

from collections.abc import Callable, Hashable, Sequence
from types import TracebackType
from typing import Protocol, Self, TypeAlias

from fluxrouter_server.services.ports.errors import StoreError
from fluxrouter_server.store.replies import Argument, Reply
from fluxrouter_server.store.shard_calls import ScriptRunner

__all__ = ["CommandRunner", "OnLife", "StoreRunner"]

OnLife: TypeAlias = Callable[[], bool]
"""Asked where a connection meets another life of a server than the last one did: whether calls that
were begun before must not be repeated in it."""


class CommandRunner(Protocol):
    """Runs commands on one server of a store."""

    async def execute(self, *command: Argument, timeout_seconds: float | None = None) -> Reply:
        """Run one command; raises StoreError."""
        ...


class StoreRunner(ScriptRunner, CommandRunner, Protocol):
    """Runs scripts and commands on a store. Use it as `async with`, or `run` it in a task.

    A command with a key is run where the key lies, one without on any server.
    """

    @property
    def is_cluster(self) -> bool:
        """Whether keys of different shards may lie on different servers."""
        ...

    @property
    def is_available(self) -> bool:
        """Whether any call would be sent now."""
        ...

    @property
    def last_error(self) -> StoreError | None:
        """Why the last attempt to connect failed, for health; None once one succeeded."""
        ...

    @property
    def life(self) -> Hashable:
        """Differs after a restart or fail-over of any server that serves; None: not known yet."""
        ...

    def watch_life(self, on_life: OnLife) -> None:
        """Have this asked where a server is in another life, before anything is sent to it."""
        ...

    def nodes(self) -> Sequence[CommandRunner]:
        """Each server that has a part of the keys, for commands that go through all keys."""
        ...

    async def wait_ready(self, timeout_seconds: float) -> None:
        """Wait until every shard can be used; raises StoreError where that is not to be."""
        ...

    async def __aenter__(self) -> Self:
        """Start to connect; does not wait for it."""
        ...

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """End the connections; calls that wait fail."""
        ...
