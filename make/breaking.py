"""Checks that no contract breaks callers, against each state that somebody may already rely on.

Those states are, as far as this clone has them: the last release (the newest `v*` tag that HEAD
contains), the point where this branch left `origin/main`, and HEAD (so that an edit not committed
yet is found). A first commit, a shallow clone or a plain copy of the sources has fewer of them or
none; the check says which it used. It reads them with `git archive`, which also works in shallow
clones and in linked work trees. A break that is meant is listed, with its reason, in buf.yaml
under `breaking`; `make lint BASELINE=<commit>` compares with that commit alone.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
BUF = Path(sys.executable).parent / "buf"


def main() -> int:
    """Compares the contracts with every state found.

    Returns:
        The exit code: 0, or 1 when a change breaks callers.
    """
    states = _states()
    if not states:
        print("breaking: no earlier contracts in this clone, nothing to compare")
    broken = [name for name, commit in states.items() if not _is_compatible(name, commit)]
    if broken:
        print("breaking: keep what is named above, or list the break with its reason in buf.yaml")
    return 1 if broken else 0


def _states() -> dict[str, str]:
    """Names the commits to compare with; each commit once, none that has no contracts."""
    if chosen := os.environ.get("BASELINE"):
        return {chosen: chosen}
    candidates = {
        "the last release": _git("describe", "--tags", "--abbrev=0", "--match=v*"),
        "origin/main": _git("merge-base", "HEAD", "origin/main"),
        "HEAD": "HEAD",
    }
    states: dict[str, str] = {}
    for name, reference in candidates.items():
        commit = _git("rev-parse", "--verify", "--quiet", f"{reference}^{{commit}}")
        if commit and commit not in states.values() and _git("ls-tree", commit, "protos/"):
            states[name] = commit
    return states


def _is_compatible(name: str, commit: str) -> bool:
    archive = subprocess.run(
        ["git", "archive", "--format=tar", commit, "protos"],
        cwd=ROOT,
        capture_output=True,
        check=True,
    )
    compared = subprocess.run(
        [BUF, "breaking", "--against=-#format=tar,subdir=protos"],
        cwd=ROOT,
        input=archive.stdout,
        check=False,
    )
    print(f"breaking: against {name}: {'compatible' if compared.returncode == 0 else 'BROKEN'}")
    return compared.returncode == 0


def _git(*arguments: str) -> str:
    """Asks git; an empty answer when git, the repository or the thing asked for is missing."""
    try:
        answer = subprocess.run(
            ["git", *arguments], cwd=ROOT, capture_output=True, text=True, check=False
        )
    except FileNotFoundError:
        return ""
    return answer.stdout.strip() if answer.returncode == 0 else ""


if __name__ == "__main__":
    sys.exit(main())
