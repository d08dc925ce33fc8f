"""`fluxrouter apply` and `kubectl apply` take the same files and give the same limits."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fluxrouter_testing.fleet import Server, running_fleet
from fluxrouter_testing.kubernetes_platform import Platform, running_platform

EXAMPLES = Path(__file__).resolve().parents[2] / "examples" / "resources"
KINDS = {"plans": 4, "accounts": 3, "catalog": 1}


@pytest.fixture(scope="module")
def platform() -> Iterator[Platform]:
    with running_platform(catalog=False) as started:
        yield started


def test_both_commands_give_the_same_limits(platform: Platform) -> None:
    platform.api.kubectl("apply", "-f", str(EXAMPLES))
    for account in ("free-demo", "builder-demo", "scale-demo"):
        platform.wait_ready("account", account)
    with running_fleet(servers=1) as other:
        fluxrouter(other.servers[0], "apply", "-f", str(EXAMPLES))
        for kind, count in KINDS.items():
            by_kubectl = specs(platform.fleet.servers[0], kind)
            assert len(by_kubectl) == count
            assert by_kubectl == specs(other.servers[0], kind)


def test_what_the_command_prints_kubectl_takes(platform: Platform) -> None:
    """Sizes are integers in a cluster, whatever protobuf's own mapping makes of them."""
    platform.api.kubectl("apply", "-f", str(EXAMPLES))
    platform.wait_ready("account", "builder-demo")
    for kind in KINDS:
        printed = fluxrouter(platform.fleet.servers[0], "get", kind, "-o", "yaml")
        platform.api.kubectl("apply", "-f", "-", text=printed)
    for plan in ("free", "pay-as-you-go", "builder", "scale"):
        platform.wait_ready("plan", plan)
    platform.wait_ready("account", "builder-demo")


def specs(server: Server, kind: str) -> dict[str, Any]:
    """Everything that the server has of a kind, without what tells one server from another."""
    listed = json.loads(fluxrouter(server, "get", kind, "-o", "json"))["resources"]
    found = [next(iter(resource.values())) for resource in listed]
    return {item["metadata"]["name"]: item["spec"] for item in found}


def fluxrouter(server: Server, *arguments: str) -> str:
    """Runs the command and returns what it printed."""
    command = [sys.executable, "-m", "fluxrouter_server", "--server", server.address, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout
