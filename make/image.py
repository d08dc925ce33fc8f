"""Builds the container image without a Docker engine and without a base image: `make image`.

Three layers: the system (Debian's packages, unpacked), the Python packages, FluxRouter. The first
two are kept in `build/image/` for as long as their locks stay the same, so that a change of the
code costs seconds. `docker build .` gives everybody else an image with the same content.
"""

from __future__ import annotations

import argparse
import hashlib
import platform
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

import image_packages
import image_system
from image_archive import Layer, read_layer, write_archive, write_layer

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "build" / "image"
ARCHIVE = FOLDER / "fluxrouter.tar"
_CONFIG = {
    "User": f"{image_system.USER}:{image_system.USER}",
    "Entrypoint": ["fluxrouter"],
    "Cmd": ["serve"],
    "Env": [
        "PATH=/opt/fluxrouter/bin:/usr/bin",
        "LANG=C.UTF-8",
        "PYTHONUNBUFFERED=1",
        f"FLUXROUTER_DATA_DIR=/{image_system.STATE}",
    ],
    "WorkingDir": f"/{image_system.STATE}",
    "Labels": {
        "org.opencontainers.image.title": "FluxRouter",
        "org.opencontainers.image.licenses": "Apache-2.0",
    },
}


def main() -> None:
    """Builds the image under the names that the command line gives, and says where it is."""
    parser = argparse.ArgumentParser(description="Builds the container image.")
    parser.add_argument(
        "--name", required=True, action="append", help="repository:tag; may be repeated"
    )
    given = parser.parse_args()
    if reason := _unfit():
        sys.exit(f"image: {reason}; `docker build .` builds it anywhere")
    FOLDER.mkdir(parents=True, exist_ok=True)
    try:
        layers = [_system(), _packages(), _project()]
    except image_system.SystemUnavailable as problem:
        sys.exit(f"image: {problem}")
    digest = write_archive(
        ARCHIVE, names=given.name, layers=layers, config=_CONFIG, machine="amd64"
    )
    size = ARCHIVE.stat().st_size / 1e6
    print(
        f"image: {', '.join(given.name)} {digest[:19]} is in {ARCHIVE.relative_to(ROOT)} "
        f"({size:.0f} MB)"
    )


def _unfit() -> str:
    """Returns why this machine cannot build it, or nothing."""
    if (sys.platform, platform.machine()) != ("linux", "x86_64"):
        return "it is built on Linux on x86-64 only"
    ours = f"{sys.version_info.major}.{sys.version_info.minor}"
    if ours != image_system.PYTHON:
        return (
            f"its Python is {image_system.PYTHON}, this environment's is {ours}: "
            f"`make clean setup PYTHON=python{image_system.PYTHON}`"
        )
    return ""


def _system() -> Layer:
    def fill(folder: Path) -> None:
        image_system.unpack_system(folder, FOLDER / "debian")

    sources = (image_system.LOCK, Path(image_system.__file__))
    return _kept("system", "Debian's Python and what it links to", fill, of=_fingerprint(*sources))


def _packages() -> Layer:
    def fill(folder: Path) -> None:
        python = Path(f"/usr/bin/python{image_system.PYTHON}")
        version = image_system.python_version()
        image_packages.add_packages(folder, python=python, version=version)

    locks = (image_packages.LOCK, image_system.LOCK, ROOT / "pyproject.toml")
    sources = (*locks, Path(image_packages.__file__))
    return _kept("packages", "Locked Python packages", fill, of=_fingerprint(*sources))


def _project() -> Layer:
    return _made("project", "FluxRouter", image_packages.add_project)


def _kept(name: str, purpose: str, fill: Callable[[Path], None], *, of: str) -> Layer:
    """Returns the layer of an earlier build if it was made of the same, else a new one."""
    made_of = FOLDER / f"{name}.sha256"
    try:
        if made_of.read_text() == of:
            return read_layer(FOLDER / f"{name}.tar.gz")
    except FileNotFoundError:
        pass
    layer = _made(name, purpose, fill)
    made_of.write_text(of)
    return layer


def _made(name: str, purpose: str, fill: Callable[[Path], None]) -> Layer:
    print(f"image: building the layer {name}", flush=True)
    with tempfile.TemporaryDirectory(dir=FOLDER) as scratch:
        folder = Path(scratch)
        fill(folder)
        # Whoever builds may have a narrow umask, and whoever runs it is somebody else.
        for entry in folder.rglob("*"):
            if not entry.is_symlink():
                entry.chmod(entry.stat().st_mode | (0o555 if entry.is_dir() else 0o444))
        return write_layer(
            folder,
            FOLDER / f"{name}.tar.gz",
            purpose=purpose,
            owners={image_system.STATE.as_posix(): image_system.USER},
        )


def _fingerprint(*sources: Path) -> str:
    digest = hashlib.sha256()
    for source in sources:
        digest.update(source.read_bytes())
    return digest.hexdigest()


if __name__ == "__main__":
    main()
