"""What builds the image is a folder of scripts: an import root of its own while its tests run."""

from pathlib import Path

import pytest

MAKE = Path(__file__).resolve().parents[2] / "make"


@pytest.fixture(autouse=True)
def _make_is_an_import_root(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(MAKE)
