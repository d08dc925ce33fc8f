"""`make demo` tells the story of the Free plan, and its last line is for machines."""

import json
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]


def test_every_step_of_the_demo_is_as_promised() -> None:
    done = subprocess.run(
        [sys.executable, "examples/demo"], capture_output=True, text=True, cwd=ROOT, check=False
    )
    steps = {step["name"]: step for step in json.loads(done.stdout.splitlines()[-1])["steps"]}
    assert {name for name, step in steps.items() if not step["ok"]} == set()
    assert set(steps) >= {
        "sign-up-needs-card",
        "routed-until-cap",
        "stopped-at-cap",
        "other-replica-agrees",
        "resets-next-month",
        "upgrade-keeps-key",
        "usage-adds-up",
        "ledger-has-no-drift",
    }
    assert steps["stopped-at-cap"]["settled_nano_usd"] <= 1_000_000_000
    assert done.returncode == 0
