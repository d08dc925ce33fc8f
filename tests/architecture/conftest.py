"""What the tests of the architecture read: the repository's own files."""

from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def root() -> Path:
    return ROOT


@pytest.fixture(scope="session")
def sources(root: Path) -> list[Path]:
    """All handwritten code, in whatever language: never empty, never generated."""
    folders = ("server", "operator", "protos", "tests", "make", "benchmarks", "examples")
    return [
        path
        for folder in folders
        for path in sorted((root / folder).rglob("*"))
        if path.suffix in {".py", ".lua", ".proto"}
    ]
