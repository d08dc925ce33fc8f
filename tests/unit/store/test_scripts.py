import hashlib
from pathlib import Path

import pytest

from fluxrouter_server.store.scripts import Script, ScriptInvalid, assemble, read_scripts

LIBRARIES = {
    "money": "local money = 1",
    "rates": "--- @include money\nlocal rates = money",
    "loop": "--- @include loop\nlocal loop = 1",
    "program": "#!lua\nlocal wrong = 1",
}


def assembled(*lines: str) -> Script:
    return assemble("admit", "\n".join(lines), LIBRARIES)


@pytest.mark.parametrize("shebang", ["#!lua", "#!lua flags=allow-oom"])
def test_the_shebang_stays_first(shebang: str) -> None:
    assert assembled(shebang, "--- @include money", "return 1").source.startswith(f"{shebang}\n")


def test_an_include_is_replaced_by_the_librarys_text() -> None:
    script = assembled("#!lua", "--- @include money", "return money")
    assert script.source == "#!lua\nlocal money = 1\nreturn money\n"


def test_a_library_is_pasted_once_however_often_it_is_included() -> None:
    script = assembled("#!lua", "--- @include rates", "--- @include money", "return rates")
    assert script.source == "#!lua\nlocal money = 1\nlocal rates = money\nreturn rates\n"


def test_a_library_that_includes_itself_does_no_harm() -> None:
    assert assembled("#!lua", "--- @include loop").source == "#!lua\nlocal loop = 1\n"


def test_the_hash_is_the_one_that_the_store_computes() -> None:
    script = assembled("#!lua", "return 1")
    assert script.sha == hashlib.sha1(script.source.encode()).hexdigest()


def test_a_store_error_is_told_in_files_and_lines_that_people_edit() -> None:
    script = assembled("#!lua", "--- @include rates", "return rates.x")
    told = script.explain("ERR user_script:4: index nil; user_script:2: x; user_script:99: y")
    assert told == "ERR admit.lua:3: index nil; lib/money.lua:1: x; user_script:99: y"


@pytest.mark.parametrize("first", ["", "return 1", "-- #!lua", "#!luajit", " #!lua"])
def test_a_script_without_a_shebang_is_refused(first: str) -> None:
    with pytest.raises(ScriptInvalid, match=r"admit\.lua:1 must be '#!lua'"):
        assembled(first, "return 1")


@pytest.mark.parametrize("name", ["absent", "", "../admit"])
def test_an_include_that_does_not_exist_is_refused_with_its_line(name: str) -> None:
    with pytest.raises(ScriptInvalid, match=r"admit\.lua:2 includes '.*'.*there are loop, money"):
        assembled("#!lua", f"--- @include {name}")


def test_a_library_with_a_shebang_is_refused() -> None:
    with pytest.raises(ScriptInvalid, match=r"lib/program\.lua:1"):
        assembled("#!lua", "--- @include program")


def test_a_directory_is_read_with_its_libraries(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib" / "money.lua").write_text("local money = 7\n")
    (tmp_path / "settle.lua").write_text("#!lua\nreturn 1\n")
    (tmp_path / "admit.lua").write_text("#!lua\n--- @include money\nreturn money\n")
    (tmp_path / "notes.txt").write_text("no script")
    library = read_scripts(tmp_path)
    assert list(library) == ["admit", "settle"]
    assert "local money = 7" in library["admit"].source


def test_an_unknown_script_is_refused_with_the_names_that_exist(tmp_path: Path) -> None:
    (tmp_path / "admit.lua").write_text("#!lua\nreturn 1\n")
    with pytest.raises(KeyError, match="no script 'admitt'; there are admit"):
        read_scripts(tmp_path)["admitt"]
