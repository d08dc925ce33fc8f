import ast
import operator
import os
import subprocess
import sys
from pathlib import Path

import pytest

MOST_LINES_PER_FILE = 400
MOST_LINES_PER_FUNCTION = 60
# Names that say nothing about what is inside, so that everything ends up there.
NAMELESS = {"base", "common", "helper", "helpers", "manager", "misc", "util", "utils"}


def test_the_operator_folder_is_no_package(root: Path) -> None:
    """One would shadow Python's own `operator` wherever the root is on sys.path."""
    assert not (root / "operator" / "__init__.py").exists()
    assert not (root / "operator" / "src" / "__init__.py").exists()


def test_the_operator_module_is_pythons_own(root: Path) -> None:
    assert root not in Path(str(operator.__file__)).resolve().parents


def test_the_installation_puts_no_folder_above_sources_on_the_import_path(root: Path) -> None:
    """A fresh interpreter is asked: `python -m pytest` adds the working directory to its own."""
    command = [sys.executable, "-P", "-c", "import sys; print(*sys.path, sep='\\n')"]
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    answer = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    on_path = {Path(entry) for entry in answer.stdout.splitlines() if entry}
    assert root / "server" / "src" in on_path
    assert not on_path & folders_above_sources(root)


def test_the_fluxrouter_namespace_is_no_package(root: Path) -> None:
    """An __init__.py would hide either the generated contracts or the handwritten client."""
    assert not (root / "server" / "src" / "fluxrouter" / "__init__.py").exists()
    assert not (root / "build" / "generated" / "fluxrouter" / "__init__.py").exists()


def test_every_file_is_short_enough_to_be_read_in_one_sitting(sources: list[Path]) -> None:
    lengths = {path: len(path.read_text().splitlines()) for path in sources}
    assert sources
    assert {path: n for path, n in lengths.items() if n > MOST_LINES_PER_FILE} == {}


def test_every_function_is_short_enough_to_be_seen_at_once(sources: list[Path]) -> None:
    too_long = [
        f"{path}:{node.lineno} {node.name}"
        for path in sources
        if path.suffix == ".py"
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and (node.end_lineno or node.lineno) - node.lineno >= MOST_LINES_PER_FUNCTION
    ]
    assert too_long == []


def test_every_module_is_named_for_what_it_holds(sources: list[Path]) -> None:
    assert [path for path in sources if NAMELESS & {path.stem, path.parent.name}] == []


@pytest.mark.parametrize("package", ["fluxrouter_server", "fluxrouter_operator"])
def test_every_folder_of_modules_is_a_package_with_a_reason(root: Path, package: str) -> None:
    (source,) = root.glob(f"*/src/{package}")
    for folder in {path.parent for path in source.rglob("*.py")}:
        tree = ast.parse((folder / "__init__.py").read_text())
        assert ast.get_docstring(tree), f"{folder}/__init__.py must say why the package exists"


def folders_above_sources(root: Path) -> set[Path]:
    """Folders whose subfolders would be imported as packages by mistake, `operator` above all."""
    return {root, root / "tests", root / "server", root / "operator"}
