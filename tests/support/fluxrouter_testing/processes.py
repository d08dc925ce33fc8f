"""Child processes for the length of a block: their output in a log, their end certain."""

import contextlib
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

_START_SECONDS = 60.0  # far beyond what a start takes, short enough to notice that none comes
_STOP_SECONDS = 15.0
_POLL_SECONDS = 0.02


class StartError(RuntimeError):
    """A process did not come up; the message has the end of its log."""


@dataclass
class Child:
    """A process that we started, and where its output goes."""

    process: subprocess.Popen[bytes]
    log: Path

    @property
    def pid(self) -> int:
        """Its process id."""
        return self.process.pid

    def signal(self, number: signal.Signals) -> None:
        """Sends a signal."""
        self.process.send_signal(number)

    def kill(self) -> None:
        """Ends it by SIGKILL and waits for that."""
        self.process.kill()
        self.process.wait()

    def stop(self) -> int:
        """Asks it to end by SIGTERM, insists after a while; returns its exit code."""
        self.process.send_signal(signal.SIGCONT)
        self.process.terminate()
        try:
            return self.process.wait(_STOP_SECONDS)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()

    def wait_for(self, path: Path) -> None:
        """Waits until it has written a file that says that it is ready.

        Raises:
            StartError: it ended, or the file did not come in time.
        """
        deadline = time.monotonic() + _START_SECONDS
        while not path.exists():
            code = self.process.poll()
            if code is not None or time.monotonic() > deadline:
                state = f"ended with {code}" if code is not None else "is not ready"
                tail = self.log.read_text(encoding="utf-8", errors="replace")[-3000:]
                raise StartError(f"{self.log.stem} {state}:\n{tail}")
            time.sleep(_POLL_SECONDS)


@contextlib.contextmanager
def running(command: Sequence[str], *, log: Path) -> Iterator[Child]:
    """Runs a command in a session of its own, away from the terminal's Ctrl-C, and ends it."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
    child = Child(process, log)
    try:
        yield child
    finally:
        if process.poll() is None:
            child.stop()
