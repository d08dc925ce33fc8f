import asyncio
import os
import stat
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path

import pytest

from fluxrouter_server.store.addresses import StoreAddress
from fluxrouter_server.store.connection import open_connection
from fluxrouter_server.store.embedded import AppendFsync, EmbeddedSettings, EmbeddedStore
from fluxrouter_server.store.errors import EmbeddedStoreFailed, StoreLocked
from fluxrouter_server.store.replies import Argument, Reply
from fluxrouter_server.store.suitability import read_server_facts, require_suitable
from fluxrouter_testing.valkey import ThrowawayValkey, is_process_alive, running_valkey
from fluxrouter_testing.waiting import eventually_async


@pytest.fixture
def settings(tmp_path: Path) -> EmbeddedSettings:
    return EmbeddedSettings(data_dir=tmp_path / "data")


@pytest.fixture
async def store(settings: EmbeddedSettings) -> AsyncIterator[EmbeddedStore]:
    store = EmbeddedStore(settings)
    yield store
    await store.stop()


async def ask(address: StoreAddress, *command: Argument) -> Reply:
    connection = await open_connection(address)
    try:
        return await connection.call(command)
    finally:
        connection.abort()


def persistence_of(server: ThrowawayValkey) -> str:
    return str(server.command("INFO", "persistence"))


def pid_of(store: EmbeddedStore) -> int:
    assert store.pid is not None
    return store.pid


async def test_it_serves_as_soon_as_it_has_started(store: EmbeddedStore) -> None:
    address = await store.start()
    assert await ask(address, "SET", "key", "value") == b"OK"


async def test_it_is_a_store_that_the_server_accepts(store: EmbeddedStore) -> None:
    connection = await open_connection(await store.start())
    require_suitable(await read_server_facts(connection))
    connection.abort()


@pytest.mark.parametrize("when", AppendFsync)
async def test_a_decision_is_synced_to_disk_when_the_setting_says(
    settings: EmbeddedSettings, when: AppendFsync
) -> None:
    store = EmbeddedStore(replace(settings, appendfsync=when))
    address = await store.start()
    assert await ask(address, "CONFIG", "GET", "appendfsync") == [
        b"appendfsync",
        when.value.encode(),
    ]
    await store.stop()


async def test_every_acknowledged_write_survives_the_crash_of_the_store(
    store: EmbeddedStore,
) -> None:
    connection = await open_connection(await store.start())
    calls = [connection.call(("SET", f"key-{n}", n)) for n in range(5_000)]
    await calls[1_000]
    os.kill(pid_of(store), 9)
    outcomes = await asyncio.gather(*calls, return_exceptions=True)
    acknowledged = sum(outcome == b"OK" for outcome in outcomes)
    assert await store.wait() == -9
    address = await store.start()
    assert 1_000 < acknowledged <= int(str(await ask(address, "DBSIZE")))


async def test_an_orderly_stop_keeps_everything_and_ends_well(settings: EmbeddedSettings) -> None:
    store = EmbeddedStore(replace(settings, appendfsync=AppendFsync.EVERYSEC))
    await ask(await store.start(), "SET", "key", "value")
    pid = pid_of(store)
    await store.stop()
    assert await store.wait() == 0
    assert not is_process_alive(pid)
    assert await ask(await store.start(), "GET", "key") == b"value"
    await store.stop()


async def test_its_crash_is_noticed_with_the_signal(store: EmbeddedStore) -> None:
    await store.start()
    watching = asyncio.create_task(store.wait())
    os.kill(pid_of(store), 11)
    assert await watching != 0
    assert store.pid is None
    assert "BUG REPORT END" in store.log_tail()


async def test_a_store_that_hangs_is_stopped_all_the_same(settings: EmbeddedSettings) -> None:
    store = EmbeddedStore(replace(settings, stop_timeout_seconds=0.1))
    await store.start()
    pid = pid_of(store)
    os.kill(pid, 19)
    await store.stop()
    assert not is_process_alive(pid)


async def test_a_second_store_on_the_same_directory_is_turned_away(
    store: EmbeddedStore, settings: EmbeddedSettings
) -> None:
    address = await store.start()
    with pytest.raises(StoreLocked) as refusal:
        await EmbeddedStore(settings).start()
    assert str(settings.data_dir) in str(refusal.value)
    assert f"process {os.getpid()}" in str(refusal.value)
    assert "one replica only" in str(refusal.value)
    assert await ask(address, "PING") == b"PONG"


async def test_the_directory_is_free_again_after_a_stop(
    store: EmbeddedStore, settings: EmbeddedSettings
) -> None:
    await store.start()
    await store.stop()
    other = EmbeddedStore(settings)
    await other.start()
    await other.stop()


async def test_nobody_else_can_read_its_files_or_reach_its_socket(
    store: EmbeddedStore, settings: EmbeddedSettings
) -> None:
    address = await store.start()
    await ask(address, "SET", "key", "value")
    paths = [settings.data_dir, *settings.data_dir.rglob("*")]
    open_to_others = {path.name for path in paths if stat.S_IMODE(path.stat().st_mode) & 0o077}
    assert Path(address.path) in paths
    assert open_to_others == set()


async def test_a_directory_with_a_long_path_gets_a_private_socket_elsewhere(
    tmp_path: Path,
) -> None:
    store = EmbeddedStore(EmbeddedSettings(data_dir=tmp_path / ("long" * 30)))
    address = await store.start()
    folder = Path(address.path).parent
    assert await ask(address, "PING") == b"PONG"
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    await store.stop()
    assert not folder.exists()


async def test_a_directory_with_an_odd_name_works(tmp_path: Path) -> None:
    store = EmbeddedStore(EmbeddedSettings(data_dir=tmp_path / 'my "data" \\ here'))
    assert await ask(await store.start(), "PING") == b"PONG"
    await store.stop()


async def test_a_relative_directory_works(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    store = EmbeddedStore(EmbeddedSettings(data_dir=Path("data")))
    assert await ask(await store.start(), "PING") == b"PONG"
    await store.stop()


async def test_ctrl_c_of_the_terminal_does_not_reach_it(store: EmbeddedStore) -> None:
    await store.start()
    assert os.getpgid(pid_of(store)) != os.getpgid(0)


async def test_damaged_data_is_reported_with_the_stores_own_words(
    store: EmbeddedStore, settings: EmbeddedSettings
) -> None:
    await ask(await store.start(), "SET", "key", "value")
    await store.stop()
    (manifest,) = settings.data_dir.rglob("*.manifest")
    manifest.write_text("no manifest\n")
    with pytest.raises(EmbeddedStoreFailed) as failure:
        await store.start()
    assert str(settings.data_dir) in str(failure.value)
    assert "manifest" in str(failure.value)


async def test_a_failed_start_leaves_the_directory_unlocked(
    store: EmbeddedStore, settings: EmbeddedSettings
) -> None:
    (settings.data_dir / "appendonlydir").mkdir(parents=True)
    manifest = settings.data_dir / "appendonlydir" / "appendonly.aof.manifest"
    manifest.write_text("no manifest\n")
    with pytest.raises(EmbeddedStoreFailed):
        await store.start()
    manifest.unlink()
    assert await ask(await store.start(), "PING") == b"PONG"


async def test_a_directory_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(EmbeddedStoreFailed, match="file/data"):
        await EmbeddedStore(EmbeddedSettings(data_dir=tmp_path / "file" / "data")).start()


async def test_a_start_waits_until_all_data_is_read_back(settings: EmbeddedSettings) -> None:
    settings.data_dir.mkdir()
    writer = ThrowawayValkey(settings.data_dir, durable=True).start()
    writer.command("DEBUG", "POPULATE", 300_000)
    writer.command("CONFIG", "SET", "appendonly", "no")
    writer.command("CONFIG", "SET", "appendonly", "yes")
    await eventually_async(lambda: "aof_rewrite_in_progress:0" in persistence_of(writer))
    writer.stop()
    store = EmbeddedStore(settings)
    assert await ask(await store.start(), "DBSIZE") == 300_000
    await store.stop()


async def test_starting_twice_is_refused(store: EmbeddedStore) -> None:
    await store.start()
    with pytest.raises(EmbeddedStoreFailed, match="runs already"):
        await store.start()


async def test_waiting_for_a_store_that_was_not_started_is_refused(store: EmbeddedStore) -> None:
    with pytest.raises(EmbeddedStoreFailed, match="was not started"):
        await store.wait()


def test_the_stores_of_tests_leave_no_process_behind() -> None:
    with running_valkey() as server:
        pid = server.pid
    assert not is_process_alive(pid)
