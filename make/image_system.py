"""Unpacks the image's system: Python and what it links to, from Debian's packages, and no more.

No shell, no package manager, nothing that a server does not need. `make/image-system.lock` names
every package by version and hash; apt fetches them from wherever this machine gets its packages.
Nothing is installed: no script of a package runs, and none of it needs root.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "make" / "image-system.lock"
PYTHON = "3.11"
USER = 65532
#: Where a server keeps its data unless it is told otherwise; the one folder that is not root's.
STATE = Path("var/lib/fluxrouter")
_MACHINE = "amd64"
_MERGED = ("bin", "lib", "lib64", "sbin")  # all of them links into usr/, as in Debian itself
# Copyright files stay; nobody reads the rest in a container.
_UNREAD = ("usr/share/man", "usr/share/locale", "usr/share/lintian", "usr/share/bash-completion")
_ACCOUNTS = {
    "etc/passwd": "root:x:0:0:root:/root:/sbin/nologin\n"
    f"fluxrouter:x:{USER}:{USER}::/{STATE}:/sbin/nologin\n",
    "etc/group": f"root:x:0:\nfluxrouter:x:{USER}:\n",
    "etc/nsswitch.conf": "passwd: files\ngroup: files\nhosts: files dns\n",
}


class SystemUnavailable(RuntimeError):
    """The packages cannot be had on this machine; the message says what to do."""


@dataclass(frozen=True, slots=True)
class Package:
    """One package of the lock; what was added by its name alone has nothing else yet."""

    name: str
    version: str = ""
    sha256: str = ""

    @property
    def file_name(self) -> str:
        """What apt calls the file, but for its machine, which may be `all`."""
        return f"{self.name}_{self.version.replace(':', '%3a')}_"


def read_lock() -> list[Package]:
    """Returns the locked packages."""
    lines = LOCK.read_text().splitlines()
    return [Package(*line.split()) for line in lines if line and not line.startswith("#")]


def python_version() -> str:
    """Returns the version of the image's Python in full, such as `3.11.2`."""
    (python,) = (package for package in read_lock() if package.name == f"python{PYTHON}-minimal")
    return python.version.partition("-")[0]


def unpack_system(folder: Path, cache: Path) -> None:
    """Makes the system's tree.

    Args:
        folder: An empty folder, `/` of the image.
        cache: Keeps packages from one build to the next.

    Raises:
        SystemUnavailable: A package cannot be had, or is not the locked one.
    """
    (folder / "usr").mkdir()
    for name in _MERGED:
        (folder / "usr" / name).mkdir()
        (folder / name).symlink_to(f"usr/{name}")
    for package in _fetched(read_lock(), cache):
        content = subprocess.Popen(["dpkg-deb", "--fsys-tarfile", package], stdout=subprocess.PIPE)
        tar = ("tar", "--extract", "--keep-directory-symlink", "--no-same-owner", "--directory")
        subprocess.run([*tar, folder], stdin=content.stdout, check=True)
        if content.wait():
            raise SystemUnavailable(
                f"{package} cannot be unpacked: delete it, run make image again"
            )
    for name in _UNREAD:
        shutil.rmtree(folder / name, ignore_errors=True)
    _write_files(folder)


def lock_system() -> None:
    """Writes the lock anew: the versions that this machine's apt offers now."""
    comment = [line for line in LOCK.read_text().splitlines() if line.startswith("#")]
    packages = [_offered(package.name) for package in read_lock()]
    lines = [f"{package.name} {package.version} {package.sha256}" for package in packages]
    LOCK.write_text("\n".join([*comment, *lines]) + "\n")
    print(f"image: locked {len(packages)} packages; run `make image`")


def _fetched(packages: Iterable[Package], cache: Path) -> Iterator[Path]:
    if missing := [tool for tool in ("apt-get", "dpkg-deb") if shutil.which(tool) is None]:
        raise SystemUnavailable(
            f"{missing[0]} is not installed: `make image` needs Debian's packages; "
            "elsewhere use `docker build .`"
        )
    cache.mkdir(parents=True, exist_ok=True)
    for package in packages:
        found = next(cache.glob(f"{package.file_name}*.deb"), None) or _download(package, cache)
        if hashlib.sha256(found.read_bytes()).hexdigest() != package.sha256:
            found.unlink()
            raise SystemUnavailable(
                f"{package.name} {package.version} is not the file that {LOCK.name} names: run "
                "make image again; if it stays so, see who changed it before `make lock-image`"
            )
        yield found


def _download(package: Package, cache: Path) -> Path:
    wanted = f"{package.name}:{_MACHINE}={package.version}"
    command = ["apt-get", "--quiet", "download", wanted]
    answer = subprocess.run(command, cwd=cache, capture_output=True, text=True, check=False)
    found = next(cache.glob(f"{package.file_name}*.deb"), None)
    if found is None:
        raise SystemUnavailable(
            f"apt has no {wanted}: run `apt-get update`; if Debian replaced the version, "
            f"`make lock-image` takes the new one. apt said: {answer.stderr.strip()[-300:]}"
        )
    return found


def _offered(name: str) -> Package:
    answer = subprocess.run(
        ["apt-cache", "show", "--no-all-versions", f"{name}:{_MACHINE}"],
        capture_output=True,
        text=True,
        check=True,
    )
    pairs = (line.partition(": ") for line in answer.stdout.splitlines())
    fields = {field: value for field, _, value in pairs}
    return Package(name, fields["Version"], fields["SHA256"])


def _write_files(folder: Path) -> None:
    """Writes what the packages' scripts would have written."""
    for name, text in _ACCOUNTS.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_text(text)
    certificates = sorted((folder / "usr/share/ca-certificates").rglob("*.crt"))
    bundle = folder / "etc/ssl/certs/ca-certificates.crt"
    bundle.parent.mkdir(parents=True, exist_ok=True)
    bundle.write_bytes(b"".join(path.read_bytes() for path in certificates))
    for name in ("proc", "sys", "dev", "tmp", STATE.as_posix()):  # runtimes and people mount there
        (folder / name).mkdir(parents=True, exist_ok=True)
    (folder / "tmp").chmod(0o1777)
    (folder / STATE).chmod(0o700)


if __name__ == "__main__":
    try:
        lock_system()
    except (subprocess.CalledProcessError, KeyError) as error:
        sys.exit(f"image: apt-cache does not know all packages of {LOCK.name}: {error}")
