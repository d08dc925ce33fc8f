"""Checks that what is committed and what is shipped agree with the sources.

Each check is a function that returns what is wrong, as sentences that say how to mend it.
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import chart
import crds
import lock

ROOT = Path(__file__).resolve().parent.parent
# What every wheel must hold: one file of each import package, the generated one included.
SHIPPED = (
    "fluxrouter/envoy/v3/ext_authz_pb2.py",
    "fluxrouter/v1/__init__.py",
    "fluxrouter/v1/router_pb2.py",
    "fluxrouter/v1/router_pb2.pyi",
    "fluxrouter/v1/router_pb2_grpc.py",
    "fluxrouter_operator/__main__.py",
    "fluxrouter_server/__main__.py",
    "fluxrouter_server/example_resources/catalog.yaml",
    "fluxrouter_server/py.typed",
)
NEVER_SHIPPED = ("fluxrouter/__init__.py", "tests/", "make/", "build/")


def main() -> int:
    """Runs every check and prints its outcome.

    Returns:
        The exit code: 0, or 1 when a check found something wrong.
    """
    checks: dict[str, Callable[[], list[str]]] = {
        "lock file": check_lock,
        "custom resource definitions": check_crds,
        "chart's values": chart.problems,
        "installed packages": check_installed,
        "wheel": check_wheel,
    }
    failures = 0
    for name, check in checks.items():
        wrong = check()
        failures += len(wrong)
        print(f"verify: {name}: {'ok' if not wrong else 'WRONG'}", flush=True)
        for sentence in wrong:
            print(f"verify:   {sentence}")
    return 1 if failures else 0


def check_lock() -> list[str]:
    """Checks that the lock was resolved from today's pyproject.toml and names no address."""
    wrong = [] if lock.is_current() else ["pyproject.toml changed since: run `make lock`"]
    if "://" in lock.LOCK.read_text():
        wrong.append("requirements.lock names a registry or a URL: remove it, run `make lock`")
    return wrong


def check_crds() -> list[str]:
    """Checks that the committed CRDs say what the contracts say."""
    return [f"{path.relative_to(ROOT)} is not up to date: run `make crds`" for path in crds.stale()]


def check_installed() -> list[str]:
    """Checks that the installed packages satisfy each other, the project's own floors included."""
    answer = _run(sys.executable, "-m", "pip", "check")
    return answer.stdout.splitlines() if answer.returncode else []


def check_wheel() -> list[str]:
    """Builds a wheel and checks that it holds every import package and nothing else's files."""
    with tempfile.TemporaryDirectory() as folder:
        build = ("-m", "build", "--wheel", "--no-isolation", f"--outdir={folder}")
        answer = _run(sys.executable, *build, str(ROOT))
        if answer.returncode:
            return [f"the wheel does not build: {answer.stdout[-2000:]}{answer.stderr[-2000:]}"]
        (wheel,) = Path(folder).glob("*.whl")
        names = zipfile.ZipFile(wheel).namelist()
    missing = [f"the wheel lacks {name}" for name in SHIPPED if name not in names]
    data = [f"{path} is not in the wheel" for path in _package_data() if path not in names]
    extra = [f"the wheel must not hold {name}" for name in names if name.startswith(NEVER_SHIPPED)]
    return missing + data + extra


def _package_data() -> list[str]:
    """Lists what packages need at run time besides Python, as paths in the wheel."""
    sources = (ROOT / "server" / "src", ROOT / "operator" / "src")
    return [
        path.relative_to(source).as_posix()
        for source in sources
        for path in sorted(source.rglob("*"))
        if path.is_file() and path.suffix not in {".py", ".pyc"}
    ]


def _run(*command: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)


if __name__ == "__main__":
    sys.exit(main())
