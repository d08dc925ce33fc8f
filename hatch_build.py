"""Generates the Python code of the wire contracts, because it is never committed.

What is in `protos/` becomes packages of the import root `build/generated/`. hatchling runs this as
a build hook, for wheels and for editable installs; `make generate` runs it as a script before
everything that imports the contracts. Nothing is touched while the contracts are unchanged, and a
file whose content stays the same keeps its time stamp, so type checkers and watchers stay quick.
"""

from __future__ import annotations

import fcntl
import hashlib
import importlib.metadata
import sys
import tempfile
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parent
PROTOS = ROOT / "protos"
BUILD = ROOT / "build"
GENERATED = BUILD / "generated"
RECORD = BUILD / "generated.txt"
GENERATORS = ("grpcio-tools", "mypy-protobuf")
PACKAGE_DOCSTRING = '"""Wire contracts, generated from protos/{package}: do not edit."""\n'


class GenerationError(RuntimeError):
    """The contracts could not be turned into Python code; the message says what to mend."""


class ContractsBuildHook(BuildHookInterface):  # type: ignore[type-arg]  # hatchling binds it itself
    """Puts the generated contracts into a wheel, and beside the sources of an editable install."""

    PLUGIN_NAME = "custom"

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Generates what is stale and, for a real wheel, includes it.

        Args:
            version: hatchling's name of the build: `standard` or `editable`.
            build_data: hatchling's mutable description of the build.

        Raises:
            GenerationError: a contract does not compile.
        """
        generate()
        if version == "standard":
            build_data["force_include"][str(GENERATED / "fluxrouter")] = "fluxrouter"


def generate() -> bool:
    """Brings `build/generated/` up to date with `protos/`; safe to run from several processes.

    Returns:
        Whether anything had to be generated.

    Raises:
        GenerationError: there are no contracts, or one does not compile.
    """
    protos = sorted(PROTOS.rglob("*.proto"))
    if not protos:
        raise GenerationError(f"no .proto file under {PROTOS}: restore the folder from git")
    with _exclusive_build():
        fingerprint = _fingerprint(protos)
        if _is_current(fingerprint):
            return False
        with tempfile.TemporaryDirectory(dir=BUILD) as scratch:
            _compile(protos, Path(scratch))
            outputs = _publish(Path(scratch))
        RECORD.write_text("\n".join([fingerprint, *sorted(map(str, outputs))]))
    return True


def _is_current(fingerprint: str) -> bool:
    """Tells whether the last run had the same inputs, and all that it wrote is still there."""
    if not RECORD.exists():
        return False
    recorded, *outputs = RECORD.read_text().splitlines()
    return recorded == fingerprint and all((GENERATED / output).exists() for output in outputs)


@contextmanager
def _exclusive_build() -> Iterator[None]:
    BUILD.mkdir(exist_ok=True)
    with (BUILD / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def _fingerprint(protos: list[Path]) -> str:
    digest = hashlib.sha256(Path(__file__).read_bytes())
    for name in GENERATORS:
        digest.update(f"{name} {importlib.metadata.version(name)}\n".encode())
    for proto in protos:
        digest.update(f"{proto.relative_to(ROOT)}\0".encode() + proto.read_bytes() + b"\0")
    return digest.hexdigest()


def _compile(protos: list[Path], out: Path) -> None:
    # Only here: an up-to-date tree must not pay for loading the compiler.
    import grpc_tools  # noqa: PLC0415
    from grpc_tools import protoc  # noqa: PLC0415

    arguments = [
        "protoc",
        f"--proto_path={PROTOS}",
        f"--proto_path={Path(grpc_tools.__file__).parent / '_proto'}",
        f"--plugin=protoc-gen-mypy={_plugin('protoc-gen-mypy')}",
        f"--plugin=protoc-gen-mypy_grpc={_plugin('protoc-gen-mypy_grpc')}",
        f"--python_out={out}",
        f"--grpc_python_out={out}",
        f"--mypy_out=quiet:{out}",
        f"--mypy_grpc_out=quiet:{out}",
        *(str(proto) for proto in protos),
    ]
    if protoc.main(arguments) != 0:
        raise GenerationError("protoc refused the contracts: mend the files it names above")
    for package in {proto.parent.relative_to(PROTOS) for proto in protos}:
        (out / package / "__init__.py").write_text(PACKAGE_DOCSTRING.format(package=package))
        (out / package / "py.typed").touch()
    for module in out.rglob("*_pb2_grpc.py"):
        if "Servicer" not in module.read_text():  # grpcio-tools writes one for messages alone, too
            module.unlink()


def _plugin(script: str) -> Path:
    """Finds a protoc plugin in the very installation that Python imports, whatever PATH says."""
    distribution = importlib.metadata.distribution("mypy-protobuf")
    for file in distribution.files or ():
        if file.name == script:
            return Path(str(distribution.locate_file(file))).resolve()
    raise GenerationError(f"mypy-protobuf has no {script}: run `make clean setup`")


def _publish(fresh: Path) -> set[Path]:
    """Replaces file by file, each in one step, so that a running process never misses a module."""
    wanted = {path.relative_to(fresh) for path in fresh.rglob("*") if path.is_file()}
    for relative in wanted:
        target = GENERATED / relative
        if not target.exists() or target.read_bytes() != (fresh / relative).read_bytes():
            target.parent.mkdir(parents=True, exist_ok=True)
            (fresh / relative).replace(target)
    for path in GENERATED.rglob("*"):
        stale = path.is_file() and path.relative_to(GENERATED) not in wanted
        if stale and "__pycache__" not in path.parts:
            path.unlink()
    return wanted


if __name__ == "__main__":
    try:
        if generate():
            print("generated build/generated/fluxrouter from protos/")
    except GenerationError as error:
        sys.exit(f"generate: {error}")
