"""What becomes of an embedded store when the process that started it is killed."""

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import pytest

from fluxrouter_server.store.connection import open_connection
from fluxrouter_server.store.embedded import EmbeddedSettings, EmbeddedStore
from fluxrouter_server.store.suitability import parse_info
from fluxrouter_testing.valkey import is_process_alive
from fluxrouter_testing.waiting import eventually

PARENT = """
import asyncio, sys, threading, uvloop
from pathlib import Path
from fluxrouter_server.store.connection import open_connection
from fluxrouter_server.store.embedded import EmbeddedSettings, EmbeddedStore
from fluxrouter_server.store.suitability import parse_info

async def main():
    store = EmbeddedStore(EmbeddedSettings(data_dir=Path(sys.argv[1])))
    connection = await open_connection(await store.start())
    await connection.call(("SET", "written-by", "the former parent"))
    info = parse_info(await connection.call(("INFO", "server")))
    print(info["process_id"], flush=True)
    await store.wait()

if sys.argv[2] == "asyncio":
    asyncio.run(main())
elif sys.argv[2] == "uvloop":
    uvloop.run(main())
else:
    thread = threading.Thread(target=asyncio.run, args=(main(),))
    thread.start()
    thread.join()
"""


@dataclass(frozen=True, slots=True)
class Family:
    """A process and the embedded store that it started."""

    parent: subprocess.Popen[str]
    store_pid: int

    def kill_parent(self) -> None:
        """Ends the parent without any warning."""
        self.parent.kill()
        self.parent.wait()


@contextmanager
def family(data_dir: Path, *, loop: str = "uvloop") -> Iterator[Family]:
    """A parent with its store for the length of a block."""
    command = [sys.executable, "-c", PARENT, str(data_dir), loop]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as parent:
        assert parent.stdout is not None
        store_pid = next(int(line) for line in parent.stdout if line.strip().isdigit())
        try:
            yield Family(parent, store_pid)
        finally:
            parent.kill()
            eventually(lambda: not is_process_alive(store_pid))


@pytest.mark.parametrize("loop", ["asyncio", "uvloop", "other-thread"])
def test_a_store_ends_when_its_parent_is_killed(tmp_path: Path, loop: str) -> None:
    with family(tmp_path, loop=loop) as members:
        members.kill_parent()
        eventually(lambda: not is_process_alive(members.store_pid))


def test_an_interrupt_of_the_parents_terminal_leaves_the_store_to_the_parent(
    tmp_path: Path,
) -> None:
    with family(tmp_path) as members:
        os.kill(members.parent.pid, signal.SIGSTOP)  # so that it cannot stop the store itself
        os.killpg(members.parent.pid, signal.SIGINT)
        assert is_process_alive(members.store_pid)


async def test_what_was_written_is_there_for_the_next_parent(tmp_path: Path) -> None:
    with family(tmp_path) as members:
        members.kill_parent()
    store = EmbeddedStore(EmbeddedSettings(data_dir=tmp_path))
    connection = await open_connection(await store.start())
    assert await connection.call(("GET", "written-by")) == b"the former parent"
    connection.abort()
    await store.stop()


async def test_the_next_parent_waits_for_a_store_that_still_shuts_down(tmp_path: Path) -> None:
    store = EmbeddedStore(EmbeddedSettings(data_dir=tmp_path))
    with family(tmp_path) as members:
        os.kill(members.store_pid, signal.SIGSTOP)
        members.kill_parent()
        start = asyncio.create_task(store.start())
        await asyncio.wait([start], timeout=0.2)
        assert not start.done()
        os.kill(members.store_pid, signal.SIGCONT)
        await start
        await store.stop()


async def test_a_hung_store_that_another_thread_started_is_stopped_all_the_same(
    tmp_path: Path,
) -> None:
    async def start_hang_and_stop() -> int:
        store = EmbeddedStore(EmbeddedSettings(data_dir=tmp_path, stop_timeout_seconds=0.1))
        connection = await open_connection(await store.start())
        info = await connection.call(("INFO", "server"))
        assert isinstance(info, bytes)
        store_pid = int(parse_info(info)["process_id"])
        assert store_pid != store.pid  # a guard stands between them
        os.kill(store_pid, signal.SIGSTOP)
        connection.abort()
        await store.stop()
        return store_pid

    store_pid = await asyncio.to_thread(lambda: asyncio.run(start_hang_and_stop()))
    eventually(lambda: not is_process_alive(store_pid))
