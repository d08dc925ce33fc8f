"""Programs of other projects for tests, built by Go once and kept outside the tree."""

import fcntl
import os
import shutil
import subprocess
from pathlib import Path
from typing import Final

__all__ = ["GoMissing", "go_program", "module_folder"]

_CACHE: Final = Path.home() / ".cache" / "fluxrouter" / "go"
_BUILD_SECONDS: Final = 900.0


class GoMissing(RuntimeError):
    """The program cannot be had here; the message says why."""


def go_program(package: str, version: str) -> Path:
    """Returns a program; builds it the first time, which may take minutes.

    Args:
        package: Its import path; the last part is the program's name.
        version: Of its module.

    Raises:
        GoMissing: there is no Go, or the module cannot be fetched or built.
    """
    name = package.rpartition("/")[2]
    folder = _CACHE / f"{name}-{version}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # tests of several processes want the same program
        if not (folder / name).exists():
            _run_go("install", f"{package}@{version}", bin_folder=folder)
    return folder / name


def module_folder(module: str, version: str) -> Path:
    """Returns where the files of a module lie; raises GoMissing."""
    folder = Path(_run_go("env", "GOMODCACHE")) / f"{module}@{version}"
    if not folder.exists():
        _run_go("mod", "download", f"{module}@{version}")
    return folder


def _run_go(*arguments: str, bin_folder: Path = _CACHE) -> str:
    go = shutil.which("go")
    if go is None:
        raise GoMissing("there is no Go on this machine")
    try:
        done = subprocess.run(
            [go, *arguments],
            check=True,
            capture_output=True,
            text=True,
            timeout=_BUILD_SECONDS,
            env={**os.environ, "GOBIN": str(bin_folder)},
        )
    except subprocess.CalledProcessError as error:
        raise GoMissing(f"go {arguments[0]} failed: {error.stderr}") from error
    except subprocess.TimeoutExpired as error:
        raise GoMissing(f"go {arguments[0]} took more than {_BUILD_SECONDS:g} s") from error
    return done.stdout.strip()
