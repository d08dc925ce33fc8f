import ast
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

PURE_PACKAGES = (
    "server/src/fluxrouter_server/domain",
    "server/src/fluxrouter_server/routing",
    "operator/src/fluxrouter_operator/decisions",
)
CLOCKS = {"now", "utcnow", "today"}
CLOCK_OWNERS = {"date", "datetime"}
INPUT_AND_OUTPUT = {"breakpoint", "input", "open", "print"}


def test_imports_keep_to_the_architecture(root: Path) -> None:
    command = [Path(sys.executable).parent / "lint-imports", "--no-cache", "--no-logo"]
    checked = subprocess.run(command, cwd=root, capture_output=True, text=True, check=False)
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_rules_read_no_clock_and_do_no_io(root: Path) -> None:
    """Time is an argument: import-linter sees `import time`, but not `datetime.now()`."""
    impure = [
        f"{path}:{line}"
        for name in PURE_PACKAGES
        for path in sorted((root / name).rglob("*.py"))
        for line in sorted(impure_lines(path.read_text()))
    ]
    assert impure == []


def test_reading_a_clock_is_found_however_it_is_spelled() -> None:
    assert set(impure_lines("from datetime import datetime\ndatetime.now()")) == {2}
    assert set(impure_lines("import datetime as dt\nclock = dt.datetime.utcnow")) == {2}
    assert set(impure_lines("from datetime import date as d\nd.today()")) == {2}
    assert set(impure_lines("def end(now: int) -> int:\n    return now + 1")) == set()


def impure_lines(source: str) -> Iterator[int]:
    """Yields the line of each expression that reads a clock or does input or output."""
    for node in ast.walk(ast.parse(source)):
        match node:
            case ast.Call(func=ast.Attribute(attr=name)) if name in CLOCKS:
                yield node.lineno
            case ast.Attribute(value=ast.Name(id=owner) | ast.Attribute(attr=owner), attr=name) if (
                owner in CLOCK_OWNERS and name in CLOCKS
            ):
                yield node.lineno
            case ast.Call(func=ast.Name(id=name)) if name in INPUT_AND_OUTPUT:
                yield node.lineno
