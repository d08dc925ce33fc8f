"""Replacing every server under load, as the Deployment would do it, fails no call."""

import http.client
import ssl
import statistics
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from hashlib import sha256

import pytest

from fluxrouter.v1 import control_pb2, metering_pb2, router_pb2
from fluxrouter_server.cli.resource_files import read_resources
from fluxrouter_server.cli.session import Session
from fluxrouter_testing.chart import CHART
from fluxrouter_testing.chart_world import ChartWorld, running_chart
from fluxrouter_testing.local_pods import LocalPod

_RESOURCES = CHART.parents[1] / "examples" / "resources"
_SECRET = "load"  # its hash is all that the chart is told
_PAUSE_SECONDS = 2
_LEAVE_SECONDS = 2
#: How long a node goes on sending connections to a pod that ends.
_NOTICE_SECONDS = 1.0
_CALLERS = 4
#: A machine that does much else is not to be taken for a store that is away.
_PATIENCE = {"name": "FLUXROUTER_STORE_TIMEOUT_MS", "value": "5000"}


@dataclass
class _Load:
    """Callers that go on until told to stop; what failed, and how long each call took."""

    failures: list[str] = field(default_factory=list)
    milliseconds: list[float] = field(default_factory=list)
    _stop: threading.Event = field(default_factory=threading.Event)
    _threads: list[threading.Thread] = field(default_factory=list)

    def add(self, call: Callable[[], object]) -> None:
        """Starts one more caller."""

        def repeat() -> None:
            while not self._stop.is_set():
                began = time.monotonic()
                try:
                    call()
                except Exception as error:  # noqa: BLE001 - each is a finding
                    self.failures.append(f"{type(error).__name__}: {error}")
                self.milliseconds.append((time.monotonic() - began) * 1000)
                time.sleep(0.01)  # callers do other things, too

        thread = threading.Thread(target=repeat, daemon=True)
        self._threads.append(thread)
        thread.start()

    def stop(self) -> None:
        """Lets every caller finish its call."""
        self._stop.set()
        for thread in self._threads:
            thread.join(30)

    def figures(self, name: str) -> str:
        """Says what there was."""
        times = sorted(self.milliseconds)
        return (
            f"{name}: {len(times)} calls, {len(self.failures)} failed, p50"
            f" {statistics.median(times):.1f} ms, p99 {times[int(len(times) * 0.99)]:.1f} ms,"
            f" longest {times[-1]:.0f} ms"
        )


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChartWorld]:
    """The trial with a caller of ours, and the examples applied by it."""
    caller = {
        "name": "load",
        "scopes": ["control", "route", "meter", "read"],
        "sha256": sha256(_SECRET.encode()).hexdigest(),
    }
    drain = {"pauseSeconds": _PAUSE_SECONDS, "leaveSeconds": _LEAVE_SECONDS}
    with ExitStack() as stack:
        started = running_chart(
            stack,
            tmp_path_factory.mktemp("world"),
            {
                "server": {"credentials": [caller], "drain": drain, "extraEnv": [_PATIENCE]},
                "operator": {"enabled": False},
            },
        )
        session = started.session(_SECRET)
        resources = read_resources([str(_RESOURCES)])
        session.call(session.control.Apply, control_pb2.ApplyRequest(resources=resources))
        yield started


def _key(session: Session) -> str:
    request = control_pb2.CreateKeyRequest(account="default/scale-demo", name="load")
    return session.call(session.control.CreateKey, request).secret


def _decide(session: Session) -> None:
    """One decision from its hold to its receipt, over a connection that stays."""
    hold = session.call(
        session.router.Route,
        router_pb2.RouteRequest(
            account="default/scale-demo", model="flux-auto", input_tokens=10, max_output_tokens=10
        ),
    )
    usage = metering_pb2.Usage(input_tokens=10, output_tokens=5)
    settle = metering_pb2.SettleRequest(hold_id=hold.hold_id, usage=usage)
    session.call(session.metering.Settle, settle)


def _ask(connection: http.client.HTTPSConnection, key: str) -> None:
    """One request over HTTP, never tried again."""
    connection.request("GET", "/v1/models", headers={"Authorization": f"Bearer {key}"})
    answer = connection.getresponse()
    body = answer.read()
    assert answer.status == 200, body.decode(errors="replace")


def _ask_anew(world: ChartWorld, key: str) -> None:
    """The same over a connection of its own."""
    with closing(_connected(world)) as connection:
        _ask(connection, key)


def _connected(world: ChartWorld) -> http.client.HTTPSConnection:
    """A connection that stays until the server says that it ends."""
    host, port = world.service.address
    return http.client.HTTPSConnection(host, port, context=_trust(world), timeout=10)


def _trust(world: ChartWorld) -> ssl.SSLContext:
    return ssl.create_default_context(cafile=str(world.authority))


def _replace(world: ChartWorld, old: LocalPod) -> None:
    """What a Deployment does with maxSurge 1: a new pod, and then an old one ends."""
    new = world.start_server()
    new.wait_ready()
    world.set_servers(*world.servers, new)
    ending = threading.Thread(target=old.stop)
    ending.start()
    time.sleep(_NOTICE_SECONDS)
    world.set_servers(*(pod for pod in world.servers if pod is not old))
    ending.join()


def test_a_rolling_restart_under_load_fails_no_call(
    world: ChartWorld, tmp_path_factory: pytest.TempPathFactory
) -> None:
    loads = {"decisions": _Load(), "new connections": _Load(), "kept connections": _Load()}
    key = _key(world.session(_SECRET))
    with ExitStack() as stack:
        for _ in range(_CALLERS):
            session = world.session(_SECRET)
            connection = stack.enter_context(closing(_connected(world)))
            loads["decisions"].add(lambda session=session: _decide(session))
            loads["new connections"].add(lambda: _ask_anew(world, key))
            loads["kept connections"].add(lambda connection=connection: _ask(connection, key))

        began = time.monotonic()
        for pod in tuple(world.servers):
            _replace(world, pod)
        seconds = time.monotonic() - began
        for load in loads.values():
            load.stop()

    told = "\n".join([f"{seconds:.1f} s", *(load.figures(name) for name, load in loads.items())])
    (tmp_path_factory.getbasetemp() / "rolling-restart.txt").write_text(told)
    assert [load.failures for load in loads.values()] == [[], [], []], told
