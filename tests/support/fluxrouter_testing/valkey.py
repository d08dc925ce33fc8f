"""A real Valkey that a test may start, hang, kill and start again.

It listens on a unix socket (and on TCP where asked), keeps its files in a directory of its own and
ends with the process that started it. Everything here blocks: it is used before and between the
awaits of a test, and takes milliseconds.
"""

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Final, Self

import hiredis

from fluxrouter_server.store.addresses import StoreAddress
from fluxrouter_server.store.embedded import guarded_command, valkey_binary
from fluxrouter_server.store.locations import StoreLocation
from fluxrouter_testing.waiting import eventually

__all__ = ["ThrowawayValkey", "free_port", "is_process_alive", "running_valkey"]

_DURABLE: Final = {"appendonly": "yes", "appendfsync": "always"}
_DATA_FOLDER: Final = "appendonlydir"
"""Where a durable server keeps its append-only file, by default."""


class ThrowawayValkey:
    """One server with its own directory.

    Args:
        directory: For its files and its socket; short, as a socket's path has a limit.
        config: Settings beside a private, silent, non-evicting server's, as in its configuration
            file: `{"requirepass": "secret"}`.
        durable: Keep every write, so that `kill` and `start` lose nothing.
        with_tcp: Listen on a free port of the loopback interface as well.
        program: Another server than the bundled one.
        arguments: Further words of its command line.
    """

    def __init__(
        self,
        directory: Path,
        *,
        config: Mapping[str, str] | None = None,
        durable: bool = False,
        with_tcp: bool = False,
        program: Path | None = None,
        arguments: Sequence[str] = (),
    ) -> None:
        self._program = program or valkey_binary()
        self._arguments = arguments
        self._directory = directory
        self._socket_path = directory / "s"
        self._tcp_port = free_port() if with_tcp else 0
        self._cluster_port = free_port()
        self._config = {
            "port": str(self._tcp_port),
            "cluster-port": str(self._cluster_port),  # else the port and 10000; it may not exist
            "bind": "127.0.0.1",
            "unixsocket": str(self._socket_path),
            "dir": str(directory),
            "logfile": str(directory / "valkey.log"),
            "save": '""',
            "appendonly": "no",
            "maxmemory-policy": "noeviction",
            "enable-debug-command": "local",
            **(_DURABLE if durable else {}),
            **(config or {}),
        }
        self._process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> StoreAddress:
        """The unix socket, with the default user's password where one is configured."""
        return StoreAddress(path=str(self._socket_path), password=self._password)

    @property
    def location(self) -> StoreLocation:
        """The same, as a store of one server."""
        return StoreLocation.single(self.address)

    @property
    def url(self) -> str:
        """For `--store`."""
        return (
            f"unix://:{self._password}@{self._socket_path}"
            if self._password
            else (f"unix://{self._socket_path}")
        )

    @property
    def tcp_address(self) -> StoreAddress:
        """The TCP port; only of a server made `with_tcp`."""
        assert self._tcp_port, "start it with with_tcp=True"
        return StoreAddress(host="127.0.0.1", port=self._tcp_port, password=self._password)

    @property
    def cluster_ports(self) -> tuple[int, int]:
        """The TCP port and that of the Cluster's bus, as `CLUSTER MEET` takes them."""
        return self._tcp_port, self._cluster_port

    @property
    def is_running(self) -> bool:
        """Whether it was started and not stopped or killed since."""
        return self._process is not None

    @property
    def pid(self) -> int:
        """The running server's process."""
        assert self._process is not None, "the server does not run"
        return self._process.pid

    def start(self) -> Self:
        """Starts it and waits until it answers; on what an earlier life left, where durable."""
        assert self._process is None, "the server runs already"
        config_path = self._directory / "valkey.conf"
        config_path.write_text("".join(f"{key} {value}\n" for key, value in self._config.items()))
        self._process = subprocess.Popen(
            guarded_command(str(self._program), str(config_path), *self._arguments),
            stdin=subprocess.PIPE,
            start_new_session=True,
        )
        eventually(self._is_ready, timeout_seconds=10)
        return self

    def configure(self, **config: str) -> None:
        """Changes settings for the next start; `replicaof="host port"`."""
        self._config |= config

    def stop(self) -> None:
        """Shuts it down in order; nothing happens if it does not run."""
        self._end(signal.SIGTERM)

    def kill(self) -> None:
        """Ends it without any warning, as a crash would."""
        self._end(signal.SIGKILL)

    def flush(self) -> None:
        """Empties it."""
        self.command("FLUSHALL")

    def command_everywhere(self, *words: str | int) -> None:
        """Runs a command on every server of the store, which is this one."""
        self.command(*words)

    def copy_data(self, target: Path) -> Path:
        """Copies what a stopped durable server has on disk; returns the copy."""
        return shutil.copytree(self._directory / _DATA_FOLDER, target)

    def replace_data(self, source: Path) -> None:
        """Gives a stopped durable server an earlier copy in place of what it has."""
        shutil.rmtree(self._directory / _DATA_FOLDER)
        shutil.copytree(source, self._directory / _DATA_FOLDER)

    def pause(self) -> None:
        """Hangs it: connections stay open and are accepted, nothing is answered."""
        os.kill(self.pid, signal.SIGSTOP)

    def resume(self) -> None:
        """Lets a hung server go on."""
        os.kill(self.pid, signal.SIGCONT)

    def command(self, *words: str | bytes | int) -> object:
        """Runs one command over a connection of its own.

        Raises:
            hiredis.ReplyError: The server answered an error.
        """
        with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
            connection.settimeout(5)
            connection.connect(str(self._socket_path))
            if self._password:
                _ask(connection, ("AUTH", self._password))
            return _ask(connection, words)

    @property
    def _password(self) -> str:
        return self._config.get("requirepass", "").strip('"')

    def _is_ready(self) -> bool:
        assert self._process is not None
        assert self._process.poll() is None, f"it ended; see {self._config['logfile']}"
        try:
            return self.command("PING") == b"PONG"
        except (OSError, hiredis.ReplyError):
            return False

    def _end(self, signal_number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        process.send_signal(signal_number)
        process.send_signal(signal.SIGCONT)  # a hung process heeds nothing but SIGKILL before it
        process.communicate(timeout=10)


def _ask(connection: socket.socket, words: tuple[str | bytes | int, ...]) -> object:
    reader = hiredis.Reader()
    connection.sendall(hiredis.pack_command(words))  # type: ignore[arg-type]
    while (reply := reader.gets()) is False:
        received = connection.recv(65536)
        if not received:
            raise ConnectionResetError("the server closed the connection")
        reader.feed(received)
    if isinstance(reply, hiredis.ReplyError):
        raise reply
    return reply


@contextmanager
def running_valkey(
    *, config: Mapping[str, str] | None = None, durable: bool = False, with_tcp: bool = False
) -> Iterator[ThrowawayValkey]:
    """Starts a server for the length of a block; see `ThrowawayValkey`."""
    with tempfile.TemporaryDirectory(prefix="fluxrouter-") as directory:
        server = ThrowawayValkey(Path(directory), config=config, durable=durable, with_tcp=with_tcp)
        try:
            yield server.start()
        finally:
            server.stop()


def free_port() -> int:
    """A TCP port of the loopback interface that nobody listens on just now."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def is_process_alive(pid: int) -> bool:
    """Whether a process runs; one that has ended and was not reaped by its parent does not."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"
