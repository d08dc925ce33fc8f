"""Plays FluxRouter in a Kubernetes cluster: `make demo-operator`.

A real API server and etcd, two FluxRouter servers on one store, and the operator with the
permissions that the chart gives it. No containers: everything is a process of this machine. The
store's clock is simulated, because Free is one request a second. The last line is one JSON object
with a verdict for each step; the exit code is 1 if one differs.
"""

import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from story import Step, Story

from fluxrouter_testing.kubernetes_platform import running_platform

_RESOURCES = Path(__file__).resolve().parents[1] / "resources"
_START = datetime(2026, 1, 20, 9, tzinfo=UTC)


def main() -> int:
    """Runs the story; 0 where every step is as promised."""
    print("Starting a Kubernetes API server, two FluxRouter servers and the operator.")
    done: list[Step] = []
    start_us = int(_START.timestamp()) * 1_000_000
    with running_platform(start_us=start_us, servers=2, catalog=False) as platform:
        for play in Story(platform, _RESOURCES).steps():
            step = play()
            done.append(step)
            print(f"\n{'ok ' if step.ok else 'NOT'}  {step.name}: {step.saw}", flush=True)
    print("\n" + json.dumps({"steps": [asdict(step) for step in done]}))
    return 0 if all(step.ok for step in done) else 1


if __name__ == "__main__":
    sys.exit(main())
