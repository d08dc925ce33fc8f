import re
import subprocess
from pathlib import Path

import pytest

TARGET = re.compile(r"^([a-z][a-z0-9-]*):(?!=)(.*)$", re.MULTILINE)
# In prose a command is marked as code: `make lint`, or a line of a code block.
MENTION = re.compile(r"(?:`|^\s*\$?\s*)make ([a-z][a-z-]+)", re.MULTILINE)


@pytest.fixture(scope="module")
def targets(root: Path) -> dict[str, str]:
    """Each target of the Makefile with the rest of its line."""
    return dict(TARGET.findall((root / "Makefile").read_text()))


def test_every_target_is_documented(targets: dict[str, str]) -> None:
    assert targets
    assert [name for name, line in targets.items() if not re.search(r"## \S", line)] == []


def test_every_target_is_declared_phony(root: Path, targets: dict[str, str]) -> None:
    """A file of the same name would silently switch an undeclared target off."""
    phony = re.search(r"^\.PHONY: (.*)$", (root / "Makefile").read_text(), re.MULTILINE)
    assert phony is not None
    assert set(phony.group(1).split()) == set(targets)


def test_help_prints_every_target(root: Path, targets: dict[str, str]) -> None:
    command = ["make", "--no-print-directory", "help"]
    printed = subprocess.run(command, cwd=root, capture_output=True, text=True, check=True).stdout
    assert {line.split()[1] for line in printed.splitlines()} == set(targets)


def test_every_target_that_the_documents_mention_exists(
    root: Path, targets: dict[str, str]
) -> None:
    documents = [*root.glob("*.md"), *(root / "docs").rglob("*.md")]
    mentions = {
        (document.name, name)
        for document in documents
        for name in MENTION.findall(document.read_text())
    }
    assert {mention for mention in mentions if mention[1] not in targets} == set()
