"""The image under test: built and loaded, or said to be in the cluster's reach."""

import os
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Self

from fluxrouter_testing.cluster.access import ClusterError, say

__all__ = ["Image", "prepared_images"]

_ROOT: Final = Path(__file__).resolve().parents[4]
_ARCHIVE: Final = _ROOT / "build" / "image" / "fluxrouter.tar"
_DEFAULT: Final = "localhost/fluxrouter:dev"


@dataclass(frozen=True, slots=True)
class Image:
    """An image's name in two parts, as the chart takes it."""

    repository: str
    tag: str

    @classmethod
    def of(cls, name: str) -> Self:
        """Splits `repository:tag`."""
        repository, _, tag = name.rpartition(":")
        if not repository or "/" in tag:
            raise ClusterError(f"IMAGE={name}: give it as repository:tag")
        return cls(repository, tag)

    def __str__(self) -> str:
        """The name as a whole."""
        return f"{self.repository}:{self.tag}"


def prepared_images() -> tuple[Image, Image]:
    """Returns the image to install, and one of another name to upgrade to.

    `IMAGE` names it. `LOAD_IMAGE` is a command that brings an archive, which is given as its last
    word, to the cluster's nodes: then the image is built first. Without that command the cluster
    must be able to get the image by itself, and both are the same.

    Raises:
        ClusterError: It could not be built or loaded.
    """
    image = Image.of(os.environ.get("IMAGE") or _DEFAULT)
    loader = shlex.split(os.environ.get("LOAD_IMAGE", ""))
    if not loader:
        say(f"LOAD_IMAGE is not given: the cluster must get {image} by itself")
        return image, image
    following = Image(image.repository, f"{image.tag}-next")
    names = [f"--name={name}" for name in (image, following)]
    _run(sys.executable, str(_ROOT / "make" / "image.py"), *names)
    say(f"loading it: {shlex.join(loader)}")
    _run(*loader, str(_ARCHIVE))
    return image, following


def _run(*command: str) -> None:
    try:
        answer = subprocess.run(command, capture_output=True, text=True, check=False, cwd=_ROOT)
    except FileNotFoundError as error:
        raise ClusterError(f"there is no {command[0]}: LOAD_IMAGE must name a program") from error
    if answer.returncode:
        raise ClusterError(
            f"{shlex.join(command)} failed: {answer.stdout[-2000:]}{answer.stderr[-2000:]}"
        )
    say(answer.stdout.strip().rpartition("\n")[2] or "done")
