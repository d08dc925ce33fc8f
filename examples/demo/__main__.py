"""Plays the Free plan against real servers: `make demo`.

The clock is simulated, and says so: the Free plan allows one request a second, and a month is long.
The last line is one JSON object with a verdict for each step; the exit code is 1 if one differs.
"""

import json
import sys
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

from story import Step, Story

from fluxrouter_testing.fleet import running_fleet

_RESOURCES = Path(__file__).resolve().parents[1] / "resources"
_START = datetime(2026, 1, 20, 9, tzinfo=UTC)


def main() -> int:
    """Runs the story; 0 where every step is as promised."""
    print("The Free plan, as sold, on two replicas of one store. The clock is simulated: Free is")
    print("one request a second, and the story takes two months.\n")
    done: list[Step] = []
    start_us = int(_START.timestamp()) * 1_000_000
    with running_fleet(servers=2, start_us=start_us, with_ledger=True) as fleet:
        for play in Story(fleet, _RESOURCES).steps():
            step = play()
            done.append(step)
            print(f"{'ok ' if step.ok else 'NOT'}  {step.name:<22}  {step.saw}", flush=True)
    print("\n" + json.dumps({"steps": [_summary(step) for step in done]}))
    return 0 if all(step.ok for step in done) else 1


def _summary(step: Step) -> dict[str, object]:
    values = asdict(step)
    return {"name": step.name, "ok": step.ok, "saw": step.saw, **values["facts"]}


if __name__ == "__main__":
    sys.exit(main())
