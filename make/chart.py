"""Checks and packages the Helm chart, and keeps the table of its values in the chart's README.

`make chart` packages, `make lint` lints, `make verify` compares; `chart.py readme` writes it.
"""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from fluxrouter_testing.kubernetes_programs import helm_program

ROOT = Path(__file__).resolve().parent.parent
CHART = ROOT / "charts" / "fluxrouter"
README = CHART / "README.md"
_BEGIN: Final = "<!-- Values: generated from values.yaml by `make crds`, do not edit. -->\n"
_END: Final = "<!-- End of values. -->\n"
_KEY: Final = re.compile(r"^(?P<indent> *)(?P<name>[A-Za-z_]+):(?: (?P<value>.*))?$")


@dataclass(frozen=True, slots=True)
class Value:
    """One value of the chart: its path, its default as YAML, and what the comment above it says."""

    path: str
    default: str
    meaning: str


def main() -> int:
    """Does what the first argument says; without one, packages. Returns the exit code."""
    match sys.argv[1:]:
        case ["lint"]:
            return _helm("lint", "--strict", "--quiet", str(CHART))
        case ["readme"]:
            README.write_text(readme())
            return 0
        case _:
            (ROOT / "dist").mkdir(exist_ok=True)
            return _helm("package", str(CHART), "--destination", str(ROOT / "dist"))


def problems() -> list[str]:
    """Returns what is wrong with the documentation of the values, with the remedy."""
    wrong = [f"values.yaml: no comment above {v.path}" for v in values() if not v.meaning]
    if README.read_text() != readme():
        wrong.append(f"{README.relative_to(ROOT)} is not up to date: run `make crds`")
    return wrong


def readme() -> str:
    """Returns the chart's README with today's table.

    Raises:
        ValueError: it lacks the marks between which the table stands.
    """
    text = README.read_text()
    if _BEGIN not in text or _END not in text:
        raise ValueError(f"{README.relative_to(ROOT)} lacks the line {_BEGIN!r} or {_END!r}")
    head, _, rest = text.partition(_BEGIN)
    tail = rest.partition(_END)[2]
    rows = [f"| `{v.path}` | {_cell(v.default)} | {v.meaning} |\n" for v in values()]
    table = "".join(["\n| value | default | |\n|---|---|---|\n", *rows, "\n"])
    return f"{head}{_BEGIN}{table}{_END}{tail}"


def values() -> list[Value]:
    """Reads values.yaml: every value that is no table of others, with the comment above it."""
    found: list[Value] = []
    parents: list[tuple[int, str]] = []
    comments: list[str] = []
    lines = (CHART / "values.yaml").read_text().split("\n")
    for number, line in enumerate(lines):
        if line.strip().startswith("#"):
            comments.append(line.strip().removeprefix("#").strip())
            continue
        match = _KEY.match(line)
        if match is None:
            comments = comments if line.strip() else []
            continue
        indent = len(match["indent"])
        parents = [(depth, name) for depth, name in parents if depth < indent]
        parents.append((indent, match["name"]))
        default = match["value"] or _list_below(lines[number + 1 :], indent)
        if default is not None:
            path = ".".join(name for _, name in parents)
            found.append(Value(path, default, " ".join(comments).replace("|", "\\|")))
        comments = []
    return found


def _list_below(lines: list[str], indent: int) -> str | None:
    """Returns the list that is the value of a key; None where further keys are."""
    items = []
    for line in lines:
        if not line.startswith(f"{' ' * (indent + 2)}- "):
            break
        items.append(line.strip().removeprefix("- "))
    return "[" + ", ".join(f"{{{item}}}" for item in items) + "]" if items else None


def _cell(default: str) -> str:
    return "" if default == '""' else f"`{default}`"


def _helm(*arguments: str) -> int:
    return subprocess.run([helm_program(), *arguments], check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
