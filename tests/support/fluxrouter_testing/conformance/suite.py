"""Gets the suite: the program, built by Go once, and its contracts as Python code."""

import subprocess
import sys
from pathlib import Path
from typing import Final

from fluxrouter_testing.go_programs import go_program, module_folder

__all__ = ["build_suite", "generate_contracts"]

_MODULE: Final = "connectrpc.com/conformance"
_VERSION: Final = "v1.0.7"


def build_suite() -> Path:
    """Returns the program; raises GoMissing."""
    return go_program(f"{_MODULE}/cmd/connectconformance", _VERSION)


def generate_contracts(folder: Path) -> None:
    """Writes the Python code of the suite's contracts, an import root, into a folder.

    Raises:
        GoMissing: as of `build_suite`.
    """
    protos = module_folder(_MODULE, _VERSION) / "proto"
    files = sorted(str(path) for path in protos.rglob("*.proto"))
    compiler = [sys.executable, "-m", "grpc_tools.protoc"]
    subprocess.run([*compiler, f"-I{protos}", f"--python_out={folder}", *files], check=True)
