"""Gets the suite: the program, built by Go once, and its contracts as Python code."""

import shutil
import subprocess
import sys
from pathlib import Path
from typing import Final

__all__ = ["VERSION", "SuiteMissing", "build_suite", "generate_contracts"]

VERSION: Final = "v1.0.7"
_MODULE: Final = "connectrpc.com/conformance"
_PROGRAM: Final = "connectconformance"
_CACHE: Final = Path.home() / ".cache" / "fluxrouter" / f"conformance-{VERSION}"
_BUILD_SECONDS: Final = 600.0


class SuiteMissing(RuntimeError):
    """The suite cannot be had here; the message says why."""


def build_suite() -> Path:
    """Returns the program; builds it the first time, which takes a minute or two.

    Raises:
        SuiteMissing: there is no Go, or the module cannot be fetched.
    """
    program = _CACHE / _PROGRAM
    if program.exists():
        return program
    _run_go("install", f"{_MODULE}/cmd/{_PROGRAM}@{VERSION}", environment={"GOBIN": str(_CACHE)})
    return program


def generate_contracts(folder: Path) -> None:
    """Writes the Python code of the suite's contracts, an import root, into a folder.

    Raises:
        SuiteMissing: as of `build_suite`.
    """
    modules = _run_go("env", "GOMODCACHE")
    protos = Path(modules) / f"{_MODULE}@{VERSION}" / "proto"
    files = sorted(str(path) for path in protos.rglob("*.proto"))
    if not files:
        _run_go("mod", "download", f"{_MODULE}@{VERSION}")
        files = sorted(str(path) for path in protos.rglob("*.proto"))
    subprocess.run(
        [
            sys.executable,
            "-m",
            "grpc_tools.protoc",
            f"-I{protos}",
            f"--python_out={folder}",
            *files,
        ],
        check=True,
    )


def _run_go(*arguments: str, environment: dict[str, str] | None = None) -> str:
    go = shutil.which("go")
    if go is None:
        raise SuiteMissing("there is no Go on this machine")
    try:
        done = subprocess.run(
            ["/usr/bin/env", *(f"{k}={v}" for k, v in (environment or {}).items()), go, *arguments],
            check=True,
            capture_output=True,
            text=True,
            timeout=_BUILD_SECONDS,
        )
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired) as error:
        raise SuiteMissing(f"go {arguments[0]} failed: {error}") from error
    return done.stdout.strip()
