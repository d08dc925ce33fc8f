"""Writes `requirements.lock`, and tells whether it still belongs to `pyproject.toml`.

The lock holds versions and hashes only, never a registry's address: whoever installs from it uses
the registry or mirror that their pip is set up for. Its first line is a fingerprint of what it was
resolved from, so that a forgotten `make lock` is found without any network.
"""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
import tempfile
import tomllib
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
FINGERPRINT = "# Locked by `make lock` from pyproject.toml: sha256:"
UV_OPTIONS = (
    "--extra=dev",
    "--universal",  # one lock for every platform and Python version, by markers
    "--python-version=3.11",
    "--generate-hashes",
    "--no-emit-index-url",
    "--no-header",
    "--no-annotate",
    "--quiet",
)


def main() -> None:
    """Resolves the newest versions that pyproject.toml allows, and says what changed."""
    before = _pins(LOCK.read_text()) if LOCK.exists() else set()
    with tempfile.NamedTemporaryFile(suffix=".txt") as scratch:
        command = [sys.executable, "-m", "uv", "pip", "compile", "pyproject.toml", *UV_OPTIONS]
        subprocess.run([*command, f"--output-file={scratch.name}"], check=True, cwd=ROOT)
        resolved = Path(scratch.name).read_text()
    LOCK.write_text(f"{FINGERPRINT}{fingerprint()}\n{resolved}")
    after = _pins(resolved)
    for pin in sorted((before | after) - (before & after)):
        print(f"lock: {'+' if pin in after else '-'} {pin}")
    print(f"lock: {len(after)} packages; run `make setup` to install them")


def fingerprint() -> str:
    """Hashes all of pyproject.toml that decides which packages are locked."""
    with (ROOT / "pyproject.toml").open("rb") as file:
        pyproject = tomllib.load(file)
    project = pyproject["project"]
    inputs = [
        project["requires-python"],
        project["dependencies"],
        project["optional-dependencies"],
        UV_OPTIONS,
    ]
    return hashlib.sha256(json.dumps(inputs, sort_keys=True).encode()).hexdigest()


def is_current() -> bool:
    """Tells whether the lock was resolved from today's pyproject.toml."""
    return LOCK.read_text().startswith(f"{FINGERPRINT}{fingerprint()}\n")


def _pins(lock: str) -> set[str]:
    return {line.split(" ")[0] for line in lock.splitlines() if "==" in line}


if __name__ == "__main__":
    main()
