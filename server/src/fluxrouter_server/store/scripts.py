"""The Lua scripts: found, pasted together and named, before any of them is run.

A script is a file of the package's `lua/` directory. Its first line is the store's shebang (`#!lua`
or `#!lua flags=allow-oom`) and stays first. A line `--- @include NAME` is replaced by
`lua/lib/NAME.lua`, once per script; a second include of the same name disappears, so that a library
may include what it needs itself. There is no other magic: what the store runs is what these files
say, in their order.
"""

import asyncio
import hashlib
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from importlib.resources import files
from importlib.resources.abc import Traversable
from typing import Final

from fluxrouter_server.store.connection import StoreConnection
from fluxrouter_server.store.errors import StoreError
from fluxrouter_server.store.replies import ErrorReply

__all__ = ["Script", "ScriptInvalid", "ScriptLibrary", "assemble", "read_scripts"]

_INCLUDE: Final = re.compile(r"^\s*---\s*@include\b\s*(?P<name>\S*)\s*$")
_LIBRARY_NAME: Final = re.compile(r"^[a-z][a-z0-9_]*$")
_SHEBANG: Final = "#!lua"
_SCRIPT_LINE: Final = re.compile(r"user_script:(\d+)")


class ScriptInvalid(StoreError):
    """A script's file cannot be used: a mistake in this package or the store's compiler says no."""


@dataclass(frozen=True, slots=True)
class Script:
    """One script, ready to be run by its hash.

    Attributes:
        name: The file's name without `.lua`.
        source: What the store runs, with the includes pasted in.
        sha: Hex SHA-1 of the source, by which the store knows it.
        origins: For each line of the source the file and line it came from, as `lib/money.lua:12`.
    """

    name: str
    source: str = field(repr=False)
    sha: str
    origins: tuple[str, ...] = field(repr=False, default=())

    def explain(self, error_text: str) -> str:
        """Says which file's line an error of the store means: `user_script:80` is of no help.

        Args:
            error_text: The store's text; each `user_script:N` in it is replaced.
        """

        def origin(match: re.Match[str]) -> str:
            line = int(match[1])
            return self.origins[line - 1] if 0 < line <= len(self.origins) else match[0]

        return _SCRIPT_LINE.sub(origin, error_text)


class ScriptLibrary(Mapping[str, Script]):
    """All scripts of one directory by name, checked when it is built."""

    def __init__(self, scripts: Mapping[str, Script]) -> None:
        self._scripts = dict(scripts)

    def __getitem__(self, name: str) -> Script:
        """The script of that name.

        Raises:
            KeyError: There is none; the message lists what there is.
        """
        try:
            return self._scripts[name]
        except KeyError:
            raise KeyError(f"no script {name!r}; there are {', '.join(self._scripts)}") from None

    def __iter__(self) -> Iterator[str]:
        """The names, sorted."""
        return iter(self._scripts)

    def __len__(self) -> int:
        """How many scripts there are."""
        return len(self._scripts)

    async def load_into(self, connection: StoreConnection) -> None:
        """Makes the store know all scripts, in one round trip.

        Raises:
            ScriptInvalid: The store's compiler refused one; names the file and line.
            StoreUnavailable: The connection ended.
        """
        scripts = list(self._scripts.values())
        futures = [connection.call(("SCRIPT", "LOAD", script.source)) for script in scripts]
        for script, reply in zip(
            scripts, await asyncio.gather(*futures, return_exceptions=True), strict=True
        ):
            if isinstance(reply, ErrorReply):
                raise ScriptInvalid(f"script {script.name}: {script.explain(reply.text)}")
            if isinstance(reply, BaseException):
                raise reply
            if reply != script.sha.encode():
                raise ScriptInvalid(
                    f"script {script.name}: the store calls it {reply!r} and not {script.sha}; "
                    "something between here and the store changes what is sent"
                )


def read_scripts(directory: Traversable | None = None) -> ScriptLibrary:
    """Reads every `.lua` file of a directory, with its `lib/`.

    Args:
        directory: Default: the `lua` directory of this package.

    Raises:
        ScriptInvalid: A file breaks the rules above; names the file and line.
    """
    root = files("fluxrouter_server.store").joinpath("lua") if directory is None else directory
    libraries = root.joinpath("lib")
    library_sources = _read_lua(libraries) if libraries.is_dir() else {}
    return ScriptLibrary(
        {name: assemble(name, source, library_sources) for name, source in _read_lua(root).items()}
    )


def assemble(name: str, source: str, libraries: Mapping[str, str]) -> Script:
    """Pastes the includes of one script together.

    Args:
        name: The script's name.
        source: Its text as written.
        libraries: The texts that it may include, by name.

    Raises:
        ScriptInvalid: No shebang at the start, or an include that is malformed or does not exist.
    """
    lines = source.splitlines()
    if not lines or not re.fullmatch(rf"{_SHEBANG}(\s.*)?", lines[0]):
        raise ScriptInvalid(
            f"script {name}: {name}.lua:1 must be '{_SHEBANG}' or '{_SHEBANG} flags=allow-oom', so "
            "that the store checks keys and memory before the script starts"
        )
    pasted: list[str] = []
    origins: list[str] = []
    for line, origin in _paste(lines, f"{name}.lua", libraries, included=set()):
        pasted.append(line)
        origins.append(origin)
    text = "\n".join(pasted) + "\n"
    sha = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
    return Script(name=name, source=text, sha=sha, origins=tuple(origins))


def _paste(
    lines: list[str], file: str, libraries: Mapping[str, str], *, included: set[str]
) -> Iterator[tuple[str, str]]:
    """Yields each line of the whole with its origin; `included` grows as libraries are met."""
    for number, line in enumerate(lines, start=1):
        match = _INCLUDE.match(line)
        if match is None:
            yield line, f"{file}:{number}"
            continue
        library = match["name"]
        if not _LIBRARY_NAME.match(library) or library not in libraries:
            raise ScriptInvalid(
                f"{file}:{number} includes {library!r}, which is not in lua/lib; there are "
                f"{', '.join(sorted(libraries)) or 'none'}"
            )
        if library in included:
            continue
        included.add(library)
        text = libraries[library]
        if text.startswith("#!"):
            raise ScriptInvalid(f"lib/{library}.lua:1 has a shebang; only scripts have one")
        yield from _paste(text.splitlines(), f"lib/{library}.lua", libraries, included=included)


def _read_lua(directory: Traversable) -> dict[str, str]:
    found = sorted(
        (entry for entry in directory.iterdir() if entry.name.endswith(".lua")),
        key=lambda entry: entry.name,
    )
    return {
        entry.name.removesuffix(".lua"): entry.read_text(encoding="utf-8")
        for entry in found
        if entry.is_file()
    }
