"""A real Valkey and `fluxrouter serve` processes on it, for tests, demo and benchmarks."""

import json
import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from fluxrouter_server.cli.session import Session
from fluxrouter_server.store.locations import StoreShape
from fluxrouter_testing.processes import Child, running
from fluxrouter_testing.store_cluster import AnyStore, running_cluster
from fluxrouter_testing.store_replication import ThrowawayReplication
from fluxrouter_testing.valkey import ThrowawayValkey, running_valkey


class SimulatedClock:
    """The store's clock, kept in a file that every server reads at each use."""

    def __init__(self, path: Path, start_us: int) -> None:
        """Begins at an instant, µs since 1970 UTC."""
        self._path = path
        self.set(start_us)

    @property
    def path(self) -> Path:
        """The file, for `--simulated-clock`."""
        return self._path

    def set(self, now_us: int) -> None:
        """Moves to an instant; every server sees it with its next call."""
        self.now_us = now_us
        scratch = self._path.with_suffix(".new")
        scratch.write_text(str(now_us), encoding="ascii")
        scratch.replace(self._path)

    def advance(self, seconds: float) -> None:
        """Moves on."""
        self.set(self.now_us + int(seconds * 1_000_000))


@dataclass(frozen=True)
class Server:
    """A running server process and where it listens."""

    child: Child
    address: str
    metrics_address: str

    def session(self, credential: str = "") -> Session:
        """Returns a connection to it."""
        return Session(
            server=self.address,
            credential=credential,
            ca_file=None,
            certificate_file=None,
            key_file=None,
            timeout_seconds=5.0,
        )


class Fleet:
    """One store and the servers on it; `start_server` adds one more. Use `running_fleet`."""

    def __init__(
        self,
        folder: Path,
        stack: ExitStack,
        clock: SimulatedClock | None,
        store: AnyStore | ThrowawayReplication,
    ) -> None:
        """Takes a folder for logs and sockets, the stack that ends what is started, the store."""
        self.folder = folder
        self._clock = clock
        self.servers: list[Server] = []
        self._stack = stack
        self.store = store

    @property
    def clock(self) -> SimulatedClock:
        """The simulated clock of a fleet that was started with one."""
        if self._clock is None:
            raise RuntimeError("this fleet runs on the real clock: give start_us to have another")
        return self._clock

    @property
    def valkey(self) -> ThrowawayValkey:
        """The store of a fleet whose store is one server."""
        if not isinstance(self.store, ThrowawayValkey):
            raise RuntimeError("this fleet's store is a Cluster: start it without a shape")
        return self.store

    @property
    def store_url(self) -> str:
        """The store's address, for `--store`."""
        return self.store.url

    def start_server(self, *options: str) -> Server:
        """Starts one more server and waits until it listens.

        Raises:
            StartError: it did not come up.
        """
        name = f"server-{len(self.servers)}"
        ready = self.folder / f"{name}.json"
        command = [
            *(sys.executable, "-m", "fluxrouter_server", "serve"),
            *("--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"),
            *("--store", self.store_url, "--data-dir", str(self.folder / name)),
            *("--log-level", "warning", "--ready-file", str(ready)),
            # What works on one works on the other, for that is tested; this one starts sooner.
            *("--transport", os.environ.get("FLUXROUTER_TRANSPORT", "grpc")),
            *(("--simulated-clock", str(self._clock.path)) if self._clock else ()),
            *(() if self.servers else ("--initialize-store",)),
            *options,
        ]
        child = self._stack.enter_context(running(command, log=self.folder / f"{name}.log"))
        child.wait_for(ready)
        addresses = json.loads(ready.read_text(encoding="utf-8"))
        server = Server(child, addresses["grpc"], addresses["metrics"])
        self.servers.append(server)
        return server


@contextmanager
def running_fleet(
    *,
    servers: int,
    start_us: int | None = None,
    options: Sequence[str] = (),
    with_ledger: bool = False,
    shape: StoreShape = StoreShape.SINGLE,
    store: AnyStore | ThrowawayReplication | None = None,
) -> Iterator[Fleet]:
    """Starts a store and some servers, and ends them all.

    Args:
        servers: how many replicas to start.
        start_us: simulated time to begin at, µs since 1970 UTC; None takes the store's own clock.
        options: further options of `fluxrouter serve`.
        with_ledger: keep a ledger, in a file that all servers share.
        shape: one Valkey, or a Cluster of three.
        store: another one, which runs already.

    Raises:
        StartError: a process did not come up in time.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fluxrouter-")))
        clock = None if start_us is None else SimulatedClock(folder / "clock", start_us)
        if store is None:
            # It syncs every batch of decisions to disk, as the embedded store does by default.
            store = stack.enter_context(_durable_store(shape))
        fleet = Fleet(folder, stack, clock, store)
        if with_ledger:
            options = (*options, "--ledger-url", f"sqlite:///{folder}/ledger.sqlite3")
        for _ in range(servers):
            fleet.start_server(*options)
        yield fleet


def _durable_store(shape: StoreShape) -> AbstractContextManager[AnyStore]:
    if shape is StoreShape.CLUSTER:
        return running_cluster(durable=True)
    return running_valkey(durable=True)
