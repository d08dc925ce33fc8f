"""The `fluxrouter` command against a real server."""

import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from fluxrouter_testing.fleet import running_fleet

ROOT = Path(__file__).resolve().parents[2]

Run = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture(scope="module")
def server_address() -> Iterator[str]:
    """The address of a server on an empty store."""
    with running_fleet(servers=1) as fleet:
        yield fleet.servers[0].address


@pytest.fixture(scope="module")
def fluxrouter(server_address: str) -> Run:
    """Runs the command from the repository's root, as a person would, and returns what it said."""

    def run(*words: str, stdin: str = "") -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "fluxrouter_server", "--server", server_address, *words]
        return subprocess.run(
            command, input=stdin, capture_output=True, text=True, cwd=ROOT, check=False
        )

    return run
