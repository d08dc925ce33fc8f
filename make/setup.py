"""Prepares `.venv` from nothing but a Python: the one step that every other make target needs.

Runs on the standard library alone. Packages come from `requirements.lock` with their hashes checked,
then the project itself is installed in place. Safe to run from several shells at once.
"""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
import sys
import time
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
ENVIRONMENT = ROOT / ".venv"
PYTHON = ENVIRONMENT / "bin" / "python"
LOCK = ROOT / "requirements.lock"
INSTALLED = ENVIRONMENT / "requirements.sha256"
READY = ENVIRONMENT / "ready"
PIP = (str(PYTHON), "-m", "pip", "--disable-pip-version-check", "--no-input")
# pip prints one such line for each package; more than this many between our lines looks stuck.
PACKAGES_PER_LINE = 15


def main() -> None:
    """Brings the environment up to date, says each step, and marks it ready for make."""
    with (ROOT / ".setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        started = time.monotonic()
        _create_environment()
        _install_requirements()
        _install_project()
        READY.touch()
        print(f"setup: ready in {time.monotonic() - started:.0f} s: .venv/bin/fluxrouter")


def _create_environment() -> None:
    if PYTHON.exists() and subprocess.run([PYTHON, "-m", "pip", "-V"], capture_output=True).returncode == 0:
        return
    try:
        import ensurepip  # noqa: F401  # Debian ships it apart; asked for here to fail early
    except ImportError:
        package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
        sys.exit(f"setup: {sys.executable} cannot create environments: install {package} "
                 f"(Debian, Ubuntu: apt-get install {package}), then run make again")
    print(f"setup: [1/3] creating .venv with Python {sys.version.split()[0]}", flush=True)
    shutil.rmtree(ENVIRONMENT, ignore_errors=True)
    venv.create(ENVIRONMENT, with_pip=True, symlinks=True)


def _install_requirements() -> None:
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if INSTALLED.exists() and INSTALLED.read_text() == wanted:
        return
    total = sum("==" in line for line in LOCK.read_text().splitlines())
    print(f"setup: [2/3] installing {total} locked packages (a minute or two at first)", flush=True)
    arguments = ["install", "--progress-bar=off", "--require-hashes", "--no-deps", "-r", str(LOCK)]
    _run_pip(arguments, total=total)
    INSTALLED.write_text(wanted)


def _install_project() -> None:
    print("setup: [3/3] installing fluxrouter itself, in place", flush=True)
    _run_pip(["install", "--no-deps", "--no-build-isolation", "-e", str(ROOT)], total=0)


def _run_pip(arguments: list[str], *, total: int) -> None:
    """Runs pip quietly but for a count of packages; on failure shows all that it said."""
    # Only the lock decides what is installed, so a user's own pip constraints must not interfere.
    environment = {k: v for k, v in os.environ.items() if k not in {"PIP_REQUIRE_VIRTUALENV", "PIP_CONSTRAINT"}}
    said: list[str] = []
    seen = 0
    with subprocess.Popen([*PIP, *arguments], stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                          text=True, env=environment, cwd=ROOT) as pip:
        assert pip.stdout is not None  # asked for above
        for line in pip.stdout:
            said.append(line)
            if line.startswith("Collecting "):
                seen += 1
                if seen % PACKAGES_PER_LINE == 0:
                    print(f"setup:       {seen} of {total} fetched", flush=True)
            elif line.startswith("Installing collected packages"):
                print("setup:       unpacking", flush=True)
    if pip.returncode != 0:
        sys.stderr.writelines(said[-40:])
        sys.exit("setup: pip failed as shown above; mend that, then run make again")


if __name__ == "__main__":
    main()
