"""Lives of the operator's reconciler, each of which may end at any step of its work.

The reconciler runs inside the test, on the real API server and a real FluxRouter server; only the
watch streams are replaced by listing again and again. A life that ends takes its memory with it, as
a killed process would, and nothing else.
"""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from fluxrouter_operator.clients.channel import Channel, ServerTarget
from fluxrouter_operator.clients.cluster import Cluster, connected_cluster
from fluxrouter_operator.clients.server import Server, ServerClient
from fluxrouter_operator.reconcile.reconciler import Reconciler
from fluxrouter_operator.reconcile.server_health import ServerHealth
from fluxrouter_operator.reconcile.view import View
from fluxrouter_operator.reconcile.world import Pace, World

__all__ = ["Killed", "live"]

T = TypeVar("T")

#: What changes something somewhere: the points at which a life may end.
ACTIONS: Final = frozenset(
    {
        *("apply", "delete", "create_key", "rotate_key", "revoke_key"),
        *("write_status", "add_finalizer", "remove_finalizer", "create_event"),
        *("create_secret", "replace_secret", "delete_secret"),
    }
)
_POLL_SECONDS: Final = 0.02
#: Nothing was done, or was to be done, for so long: all is done. Spending was read meanwhile.
_QUIET_SECONDS: Final = 0.2
_PACE: Final = Pace(
    spend_seconds=0.05,
    secret_seconds=10,
    refused_seconds=0.2,
    settle_seconds=0.1,
    status_writes_per_second=1000,
)


class Killed(BaseException):
    """The life has ended; no BaseException handler of ours may catch it."""


@dataclass
class _Steps:
    """Counts actions, and ends the life after a given one was done."""

    last: int | None
    done: list[str] = field(default_factory=list)
    is_over: bool = False
    moved: float = 0.0

    async def take(self, name: str, call: Callable[[], Awaitable[T]]) -> T:
        if self.is_over:
            raise Killed
        self.moved = asyncio.get_running_loop().time()
        result = await call()
        self.done.append(name)
        if self.last is not None and len(self.done) >= self.last:
            self.is_over = True
            raise Killed
        return result


class _Mortal:
    """A client whose actions are counted."""

    def __init__(self, client: Server | Cluster, steps: _Steps) -> None:
        self._client = client
        self._steps = steps

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 - whatever the client has
        method = getattr(self._client, name)
        if name not in ACTIONS:
            return method
        return lambda *args: self._steps.take(name, lambda: method(*args))


async def live(server: str, *, last_step: int | None = None) -> list[str]:
    """Runs the reconciler until nothing is left to do, or until its last step.

    It reaches the cluster that `KUBECONFIG` names.

    Args:
        server: `host:port` of the FluxRouter server.
        last_step: ends the life after so many actions; None lets it finish.

    Returns:
        The actions done.
    """
    steps = _Steps(last_step)
    async with AsyncExitStack() as stack:
        channel = Channel(ServerTarget(server))
        stack.push_async_callback(channel.close)
        health = ServerHealth(lambda: datetime.now(UTC), timedelta(seconds=10))
        cluster = await stack.enter_async_context(connected_cluster())
        world = World(
            view=View(),
            server=_as_server(_Mortal(ServerClient(channel, health), steps)),
            cluster=_as_cluster(_Mortal(cluster, steps)),
            health=health,
            pace=_PACE,
            now=lambda: datetime.now(UTC),
        )
        await _run(Reconciler(world), world, steps)
    return steps.done


async def _run(reconciler: Reconciler, world: World, steps: _Steps) -> None:
    """Lets the loops run, and lists the cluster again and again instead of watching it."""
    time = asyncio.get_running_loop().time
    queues = (world.resources, world.keys, world.statuses, world.spends)
    await reconciler.fill()
    loops = asyncio.create_task(reconciler.run())
    steps.moved = time()
    try:
        while not loops.done() and time() - steps.moved < _QUIET_SECONDS:
            await asyncio.sleep(_POLL_SECONDS)
            await reconciler.fill()
            if not all(queue.is_idle for queue in queues):
                steps.moved = time()
    finally:
        loops.cancel()
    try:
        await loops
    except asyncio.CancelledError:
        pass
    except BaseExceptionGroup as group:
        _, others = group.split((Killed, asyncio.CancelledError))
        if others is not None:
            raise others from None


def _as_server(mortal: Any) -> Server:  # noqa: ANN401 - it has whatever the client has
    server: Server = mortal
    return server


def _as_cluster(mortal: Any) -> Cluster:  # noqa: ANN401 - as above
    cluster: Cluster = mortal
    return cluster
