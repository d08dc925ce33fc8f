"""Prepares `.venv` from nothing but a Python: the one step that every other make target needs.

Runs on the standard library alone. Packages come from `requirements.lock`, hashes checked, then the
project itself is installed in place. Safe to run from several shells at once.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.util
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
# A first run fetches about a hundred packages; silence for longer than this many looks stuck.
PACKAGES_PER_LINE = 15
# Only the lock decides what is installed: a user's own constraints must not contradict it.
USERS_OWN = frozenset({"PIP_CONSTRAINT", "PIP_REQUIRE_VIRTUALENV", "PIP_TARGET", "PIP_USER"})
LINES_SHOWN_ON_FAILURE = 40


def main() -> None:
    """Brings the environment up to date, says each step, and marks it ready for make."""
    with (ROOT / ".setup.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        started = time.monotonic()
        _create_environment()
        _install_requirements()
        _install_project()
        READY.touch()
        _say(f"ready in {time.monotonic() - started:.0f} s: .venv/bin/fluxrouter")


def _create_environment() -> None:
    if _has_pip():
        return
    if importlib.util.find_spec("ensurepip") is None:  # Debian ships it apart
        package = f"python{sys.version_info.major}.{sys.version_info.minor}-venv"
        sys.exit(
            f"setup: {sys.executable} cannot create environments: install {package} "
            f"(Debian, Ubuntu: apt-get install {package}), then run make again"
        )
    _say(f"[1/3] creating .venv with Python {sys.version.split()[0]}")
    shutil.rmtree(ENVIRONMENT, ignore_errors=True)
    venv.create(ENVIRONMENT, with_pip=True, symlinks=True)


def _has_pip() -> bool:
    if not PYTHON.exists():
        return False
    answer = subprocess.run([PYTHON, "-m", "pip", "--version"], capture_output=True, check=False)
    return answer.returncode == 0


def _install_requirements() -> None:
    wanted = hashlib.sha256(LOCK.read_bytes()).hexdigest()
    if INSTALLED.exists() and INSTALLED.read_text() == wanted:
        return
    total = sum("==" in line for line in LOCK.read_text().splitlines())
    _say(f"[2/3] installing {total} locked packages (a minute or two the first time)")
    _run_pip("--require-hashes", "--no-deps", "--requirement", str(LOCK))
    INSTALLED.write_text(wanted)


def _install_project() -> None:
    _say("[3/3] installing fluxrouter itself, in place")
    _run_pip("--no-deps", "--no-build-isolation", "--editable", str(ROOT))


def _run_pip(*arguments: str) -> None:
    """Installs with pip, showing a count of packages; on failure shows the end of what it said."""
    command = [str(PYTHON), "-m", "pip", "install", "--no-input", "--disable-pip-version-check"]
    environment = {name: value for name, value in os.environ.items() if name not in USERS_OWN}
    said: list[str] = []
    collected = 0
    with subprocess.Popen(
        [*command, "--progress-bar=off", *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        env=environment,
        cwd=ROOT,
    ) as pip:
        for line in pip.stdout or ():
            said.append(line)
            collected += line.startswith("Collecting ")
            if line.startswith("Collecting ") and collected % PACKAGES_PER_LINE == 0:
                _say(f"      {collected} packages fetched")
    if pip.returncode != 0:
        sys.stderr.writelines(said[-LINES_SHOWN_ON_FAILURE:])
        sys.exit("setup: pip failed as shown above; mend that, then run make again")


def _say(text: str) -> None:
    print(f"setup: {text}", flush=True)


if __name__ == "__main__":
    main()
