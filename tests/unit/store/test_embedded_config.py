from pathlib import Path

import pytest

from fluxrouter_server.store.embedded_config import AppendFsync, EmbeddedSettings, configuration


def lines(data_dir: str = "/data", **settings: object) -> list[str]:
    built = EmbeddedSettings(data_dir=Path(data_dir), **settings)  # type: ignore[arg-type]
    return configuration(built, Path("/run/s")).splitlines()


def test_a_decision_is_on_disk_before_it_is_answered_unless_told_otherwise() -> None:
    assert {"appendonly yes", "appendfsync always"} <= set(lines())
    assert "appendfsync everysec" in lines(appendfsync=AppendFsync.EVERYSEC)


def test_nothing_is_ever_evicted() -> None:
    assert "maxmemory-policy noeviction" in lines(maxmemory_bytes=1)


def test_it_can_be_reached_on_the_private_socket_alone() -> None:
    assert {"port 0", 'unixsocket "/run/s"', "unixsocketperm 700"} <= set(lines())


def test_a_path_may_hold_whatever_a_path_may() -> None:
    assert r'dir "/my \"data\" \\ here"' in lines(r'/my "data" \ here')


def test_a_path_cannot_smuggle_a_setting_in() -> None:
    with pytest.raises(ValueError, match="control characters"):
        lines("/data\nport 6379")
