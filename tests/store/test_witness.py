from pathlib import Path

import pytest

from fluxrouter_server.services.ports.errors import StoreRefused
from fluxrouter_server.store.keys import SHARDS
from fluxrouter_server.store.layout import ClockKind, ShardLife
from fluxrouter_server.store.witness import WITNESS_FILE_NAME, Witness

LIVES = tuple(ShardLife(shard + 1, f"m{shard}") for shard in range(SHARDS))


def test_a_witness_remembers_every_life(tmp_path: Path) -> None:
    assert Witness(tmp_path).read() is None
    Witness(tmp_path).write(LIVES, ClockKind.REAL)
    assert Witness(tmp_path).read() == LIVES


def test_a_witness_that_is_replaced_is_whole_and_readable_by_its_owner_alone(
    tmp_path: Path,
) -> None:
    for lives in (LIVES, LIVES[::-1]):
        Witness(tmp_path).write(lives, ClockKind.REAL)
    assert Witness(tmp_path).read() == LIVES[::-1]
    (file,) = tmp_path.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("text", ["", "{}", "[]", "null", '{"lives": [[1]]}', "\x00"])
def test_a_damaged_witness_is_refused_with_its_path(tmp_path: Path, text: str) -> None:
    file = tmp_path / WITNESS_FILE_NAME
    file.write_text(text)
    with pytest.raises(StoreRefused, match=f"{file}: is no layout file"):
        Witness(tmp_path).read()


@pytest.mark.parametrize("change", [('"shards": 256', '"shards": 2'), ("[256, ", "[257, 1], [1, ")])
def test_a_witness_of_another_layout_is_refused(tmp_path: Path, change: tuple[str, str]) -> None:
    Witness(tmp_path).write(LIVES, ClockKind.REAL)
    file = tmp_path / WITNESS_FILE_NAME
    before, after = file.read_text(), file.read_text().replace(*change)
    assert before != after
    file.write_text(after)
    with pytest.raises(StoreRefused, match="choose another data directory"):
        Witness(tmp_path).read()


def test_a_directory_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(StoreRefused, match="cannot be written"):
        Witness(tmp_path / "missing").write(LIVES, ClockKind.REAL)
