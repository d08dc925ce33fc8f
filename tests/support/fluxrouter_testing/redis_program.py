"""A Redis that speaks TLS, which the bundled Valkey does not: found, else unpacked once.

`FLUXROUTER_TLS_STORE` names such a server; else one in PATH is taken; else Debian's packages are
fetched by `apt-get download` and unpacked beside what else is kept, so that nothing is installed
and no service is started. `python -m fluxrouter_testing.redis_program` does it and prints where.
"""

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Final

from fluxrouter_testing.go_builds import ProgramsMissing, cache_folder

__all__ = ["redis_with_tls"]

_PACKAGES: Final = ("redis-tools", "libjemalloc2", "liblzf1", "libatomic1")
"""The server's file is in redis-tools under another name; the rest it needs beside OpenSSL."""

_REMEDY: Final = (
    "let FLUXROUTER_TLS_STORE name a redis-server or valkey-server that was built with TLS"
)


def redis_with_tls() -> Path:
    """Returns the program, unpacking it where there is none; safe in several processes at once.

    Raises:
        ProgramsMissing: There is none and no apt-get to get it with.
    """
    if named := os.environ.get("FLUXROUTER_TLS_STORE"):
        return Path(named)
    for name in ("valkey-server", "redis-server"):
        found = shutil.which(name)
        if found and b"libssl" in _run(("ldd", found), Path("/")).stdout:
            return Path(found)
    if not shutil.which("apt-get"):
        raise ProgramsMissing(f"no Redis with TLS is here, and no apt-get: {_REMEDY}")
    folder = cache_folder() / "redis"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        program = folder / "redis-server"
        if not program.exists():
            sys.stderr.write("redis: fetching Debian's Redis, which speaks TLS\n")
            _unpack(folder)
            _write_program(folder, program)
    return program


def _unpack(folder: Path) -> None:
    with tempfile.TemporaryDirectory() as name:
        scratch = Path(name)
        command = ("apt-get", "download", "-qq", *_PACKAGES)
        done = _run(command, scratch)
        if done.returncode:  # a machine's lists are missing or old at first
            _run(("apt-get", "update", "-qq"), scratch)
            done = _run(command, scratch)
        if done.returncode:
            why = done.stderr.decode(errors="replace").strip()
            raise ProgramsMissing(f"apt-get download failed: {why}; {_REMEDY}")
        for package in scratch.glob("*.deb"):
            subprocess.run(("dpkg-deb", "-x", package, folder), check=True)


def _run(command: tuple[str, ...], folder: Path) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command, cwd=folder, check=False, capture_output=True)


def _write_program(folder: Path, program: Path) -> None:
    """The name by which it is started tells it what to be; its libraries lie beside it."""
    real = folder / "usr" / "bin" / "redis-server"
    if not real.exists():
        real.symlink_to("redis-check-rdb")
    libraries = ":".join(sorted({str(file.parent) for file in folder.rglob("*.so*")}))
    scratch = program.with_suffix(".new")
    scratch.write_text(f'#!/bin/sh\nLD_LIBRARY_PATH={libraries} exec {real} "$@"\n')
    scratch.chmod(0o755)
    scratch.replace(program)


if __name__ == "__main__":
    try:
        sys.stdout.write(f"redis: {redis_with_tls()}\n")
    except ProgramsMissing as missing:
        sys.exit(str(missing))
