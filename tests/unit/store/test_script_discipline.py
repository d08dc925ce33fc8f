"""Rules of docs/protocol.md §3 that can be read off the scripts' text."""

import re
from importlib.resources import files
from pathlib import Path

import pytest

LUA = Path(str(files("fluxrouter_server.store").joinpath("lua")))
DECISIONS = ["admit", "check", "recall", "settle", "release", "extend", "expire", "due", "spend"]
WRITES = re.compile(
    r"redis\.call\('(HSET|HDEL|HINCRBY|ZADD|ZREM|XADD|XTRIM|SET|DEL|UNLINK|P?EXPIRE(AT)?)'"
)
INCLUDE = re.compile(r"^--- @include (\w+)$", re.MULTILINE)


def libraries_of(name: str) -> set[str]:
    """The libraries that a script includes, and those that they include."""
    found: set[str] = set()
    wanted = INCLUDE.findall((LUA / f"{name}.lua").read_text())
    while wanted:
        library = wanted.pop()
        if library not in found:
            found.add(library)
            wanted += INCLUDE.findall((LUA / "lib" / f"{library}.lua").read_text())
    return found


@pytest.mark.parametrize("name", DECISIONS)
def test_money_never_becomes_text_inside_a_script(name: str) -> None:
    texts = [(LUA / f"{name}.lua").read_text()]
    texts += [(LUA / "lib" / f"{library}.lua").read_text() for library in libraries_of(name)]
    for text in texts:
        assert not re.search(r"\btostring\b|\bcjson\b|string\.format", text)


@pytest.mark.parametrize("name", DECISIONS)
def test_nothing_is_written_before_the_one_write_phase(name: str) -> None:
    script = (LUA / f"{name}.lua").read_text()
    before, _, _ = script.rpartition("\ncommit()\n")
    assert not WRITES.search(before or script)
    for library in libraries_of(name) - {"commit"}:
        assert not WRITES.search((LUA / "lib" / f"{library}.lua").read_text()), library


@pytest.mark.parametrize("name", ["check", "recall", "due", "spend"])
def test_what_only_reads_is_declared_so(name: str) -> None:
    assert (LUA / f"{name}.lua").read_text().startswith("#!lua flags=no-writes\n")
    assert "commit" not in libraries_of(name)


@pytest.mark.parametrize("name", ["settle", "release", "expire"])
def test_endings_run_when_memory_is_full(name: str) -> None:
    assert (LUA / f"{name}.lua").read_text().startswith("#!lua flags=allow-oom\n")


@pytest.mark.parametrize("name", ["admit", "extend"])
def test_what_sets_money_aside_stops_when_memory_is_full(name: str) -> None:
    assert (LUA / f"{name}.lua").read_text().startswith("#!lua\n")
