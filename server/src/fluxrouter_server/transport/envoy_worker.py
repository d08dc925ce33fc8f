"""One Envoy process with Python inside, from its start to its end."""

import asyncio
import contextlib
import json
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import structlog

from fluxrouter_server.store.embedded import guarded_command
from fluxrouter_server.transport.envoy_admin import AdminError, EnvoyAdmin
from fluxrouter_server.transport.envoy_config import EnvoyPlan, envoy_config
from fluxrouter_server.transport.envoy_link import ask_worker
from fluxrouter_server.transport.envoy_programs import EnvoyPrograms

__all__ = ["EnvoyWorker", "WorkerFailed", "WorkerFiles"]

_log = structlog.get_logger(__name__)

_START_SECONDS: Final = 60.0
_POLL_SECONDS: Final = 0.02
_STOP_SECONDS: Final = 5.0
#: A connection that is not used for so long while the worker drains is idle.
_QUIET_SECONDS: Final = 0.5
#: One line of JSON for each of Envoy's own messages, as our logs have it.
_LOG_FORMAT: Final = '{"event":"%j","level":"%l","logger":"envoy.%n","timestamp":"%Y-%m-%dT%T.%eZ"}'


class WorkerFailed(RuntimeError):
    """A worker did not come up; the message says how to go on."""


@dataclass(frozen=True, slots=True)
class WorkerFiles:
    """Where one worker's files and sockets lie, in a directory of the server's own."""

    directory: Path
    number: int

    @property
    def admin_socket(self) -> Path:
        """Envoy's own interface."""
        return self.directory / f"admin-{self.number}.sock"

    @property
    def link_socket(self) -> Path:
        """The link to the Python inside it."""
        return self.directory / f"link-{self.number}.sock"

    @property
    def config(self) -> Path:
        """Envoy's configuration."""
        return self.directory / f"envoy-{self.number}.json"


class EnvoyWorker:
    """Starts, drains and stops one process.

    Args:
        programs: What to run.
        plan: Envoy's configuration.
        files: Where to keep it.
        environment: Further variables, for the application.
    """

    def __init__(
        self,
        programs: EnvoyPrograms,
        plan: EnvoyPlan,
        files: WorkerFiles,
        environment: Mapping[str, str],
    ) -> None:
        self._programs = programs
        self._plan = plan
        self._files = files
        self._environment = environment
        self._admin = EnvoyAdmin(plan.admin_socket)
        self._process: asyncio.subprocess.Process | None = None

    @property
    def number(self) -> int:
        """Which of the workers it is."""
        return self._files.number

    @property
    def pid(self) -> int | None:
        """Its process, while there is one."""
        process = self._process
        return process.pid if process is not None and process.returncode is None else None

    async def start(self) -> None:
        """Starts it and waits until it takes calls.

        Raises:
            WorkerFailed: it ended, or is not ready in time.
        """
        for left in (self._files.admin_socket, self._files.link_socket):
            left.unlink(missing_ok=True)  # by a worker that was killed
        self._files.config.write_text(json.dumps(envoy_config(self._plan)), encoding="utf-8")
        self._process = await asyncio.create_subprocess_exec(
            *guarded_command(str(self._programs.envoy), *self._arguments()),
            stdin=asyncio.subprocess.PIPE,  # its end is how a watching guard learns of ours
            env={**os.environ, **self._programs.environment(), **self._environment},
            # Ctrl-C goes to the terminal's whole process group, and we drain workers ourselves.
            start_new_session=True,
        )
        try:
            async with asyncio.timeout(_START_SECONDS):
                while not await self._admin.is_ready():
                    if self.pid is None:
                        raise WorkerFailed(
                            f"an Envoy worker ended with {self._process.returncode} while "
                            "starting; the log has its reason. `--transport grpc` does without it"
                        )
                    await asyncio.sleep(_POLL_SECONDS)
        except TimeoutError:
            await self.stop()
            raise WorkerFailed(
                f"an Envoy worker was not ready within {_START_SECONDS:g} s; "
                "`--transport grpc` does without it"
            ) from None
        except BaseException:
            await self.stop()
            raise
        _log.info("worker_started", worker=self.number, pid=self.pid)

    async def wait(self) -> int:
        """Waits for its end; returns the exit code."""
        if self._process is None:
            raise WorkerFailed("it was not started")
        return await self._process.wait()

    async def metrics(self) -> bytes | None:
        """Returns its counts as Prometheus reads them; None while it has none to give."""
        return await ask_worker(self._files.link_socket, "metrics")

    async def send_callers_away(self) -> None:
        """Ends each connection after its next answer; new ones are taken, and treated alike."""
        if self.pid is not None:
            with contextlib.suppress(AdminError):
                await self._admin.send_callers_away()

    async def drain(self, grace_seconds: float) -> None:
        """Ends its streams, sends its callers away, and waits until they are gone.

        Args:
            grace_seconds: How long calls that are under way may take.
        """
        if self.pid is None:
            return
        with contextlib.suppress(AdminError):
            await self._admin.send_callers_away()
            await ask_worker(self._files.link_socket, "drain")
            await self._admin.stop_listening()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(grace_seconds):
                    await self._until_idle()
            await self._admin.quit()

    async def stop(self) -> None:
        """Ends it, at once if need be."""
        process = self._process
        if process is None:
            return
        if process.returncode is None:
            _signal(process.terminate)
            try:
                async with asyncio.timeout(_STOP_SECONDS):
                    await process.wait()
            except TimeoutError:
                _signal(process.kill)
                await process.wait()
        if process.stdin is not None:
            process.stdin.close()

    async def _until_idle(self) -> None:
        """Returns when all connections are gone, or none of those that are left is used.

        Connections end with the answer to their next call. Those without one for a while are cut:
        Envoy has no way to tell their clients.
        """
        now = asyncio.get_running_loop().time
        used_at = now()
        while True:
            calls, connections = await self._admin.active()
            if connections == 0 or (calls == 0 and now() - used_at > _QUIET_SECONDS):
                return
            if calls > 0:
                used_at = now()
            await asyncio.sleep(_POLL_SECONDS)

    def _arguments(self) -> tuple[str, ...]:
        return (
            *("--config-path", str(self._files.config)),
            "--disable-hot-restart",
            # Python is one thread at a time; more of it is another worker.
            *("--concurrency", "1"),
            *("--drain-strategy", "immediate"),
            *("--log-level", "warning", "--log-format", _LOG_FORMAT),
        )


def _signal(send: Callable[[], None]) -> None:
    with contextlib.suppress(ProcessLookupError):  # it ended meanwhile
        send()
