"""Lives of the operator's reconciler, each of which may end at any step of its work.

The reconciler runs inside the test, on the real API server and a real FluxRouter server; only the
watch streams are replaced by listing again and again. A life that ends takes its memory with it, as
a killed process would, and nothing else.
"""

import asyncio
from collections.abc import Awaitable, Callable, Iterable, Mapping
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any, Final, TypeVar

from fluxrouter_operator.clients.channel import Channel, ServerTarget
from fluxrouter_operator.clients.cluster import Cluster, connected_cluster
from fluxrouter_operator.clients.server import Server, ServerClient
from fluxrouter_operator.observed import API_VERSION, Key, Kind, Observed, observe
from fluxrouter_operator.reconcile.reconciler import Reconciler
from fluxrouter_operator.reconcile.server_health import ServerHealth
from fluxrouter_operator.reconcile.view import View
from fluxrouter_operator.reconcile.world import Pace, World
from fluxrouter_testing.kubernetes_api import KubernetesApi

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


class _Index(dict[Any, list[Any]]):
    """An index as kopf has them."""

    def put(self, key: Any, value: Any) -> None:  # noqa: ANN401 - any key, any value
        self.setdefault(key, []).append(value)


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


async def live(api: KubernetesApi, server: str, *, last_step: int | None = None) -> list[str]:
    """Runs the reconciler until nothing is left to do, or until its last step.

    Args:
        api: the cluster; the reconciler is its administrator.
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
        life = _Life(api, steps)
        world = World(
            view=life.view,
            server=_as_server(_Mortal(ServerClient(channel, health), steps)),
            cluster=_as_cluster(_Mortal(cluster, steps)),
            health=health,
            pace=_PACE,
            now=lambda: datetime.now(UTC),
        )
        await life.run(Reconciler(world), world)
    return steps.done


class _Life:
    """One reconciler and the listings that it sees the cluster by."""

    def __init__(self, api: KubernetesApi, steps: _Steps) -> None:
        self._api = api
        self._steps = steps
        self._seen: dict[Key, str] = {}
        self._resources = {kind: _Index() for kind in Kind}
        self._by_plan, self._by_namespace, self._namespaces = _Index(), _Index(), _Index()
        self.view = View(self._resources, self._by_plan, self._by_namespace, self._namespaces)

    async def run(self, reconciler: Reconciler, world: World) -> None:
        queues = (world.resources, world.keys, world.statuses, world.spends)
        await self._list(reconciler)
        loops = asyncio.create_task(reconciler.run())
        self._steps.moved = asyncio.get_running_loop().time()
        try:
            while not loops.done() and not self._is_quiet():
                await asyncio.sleep(_POLL_SECONDS)
                await self._list(reconciler)
                if not all(queue.is_idle for queue in queues):
                    self._steps.moved = asyncio.get_running_loop().time()
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

    def _is_quiet(self) -> bool:
        return asyncio.get_running_loop().time() - self._steps.moved > _QUIET_SECONDS

    async def _list(self, reconciler: Reconciler) -> None:
        """Makes the indices anew, and tells of what is new, changed or gone."""
        kinds = await asyncio.to_thread(
            lambda: {kind: _items(self._api, f"/apis/{API_VERSION}/{kind.plural}") for kind in Kind}
        )
        namespaces = await asyncio.to_thread(_items, self._api, "/api/v1/namespaces")
        found = [observe(kind, raw) for kind, items in kinds.items() for raw in items]
        self._index(found, namespaces)
        now = {item.key: item.resource_version for item in found}
        for key in {*now, *self._seen}:
            if now.get(key) != self._seen.get(key):
                reconciler.resource_seen(key)
        self._seen = now

    def _index(self, found: Iterable[Observed], namespaces: Iterable[Mapping[str, Any]]) -> None:
        indices = (*self._resources.values(), self._by_plan, self._by_namespace, self._namespaces)
        for index in indices:
            index.clear()
        for item in found:
            self._resources[item.key.kind].put(item.key, item)
            if item.key.kind is Kind.ACCOUNT:
                self._by_plan.put(item.spec["plan"], item.key)
                self._by_namespace.put(item.key.namespace, item.key)
        for raw in namespaces:
            self._namespaces.put(raw["metadata"]["name"], raw["metadata"].get("labels", {}))


def _items(api: KubernetesApi, path: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.call("GET", path)["items"]
    return found


def _as_server(mortal: Any) -> Server:  # noqa: ANN401 - it has whatever the client has
    server: Server = mortal
    return server


def _as_cluster(mortal: Any) -> Cluster:  # noqa: ANN401 - as above
    cluster: Cluster = mortal
    return cluster
