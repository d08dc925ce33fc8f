"""The witness of an embedded store: a file beside its data that says which lives it should have.

Without it a store that comes back empty would look like a new one, and new means a fresh cap for
everybody. It is written after the store was initialised and before anything is decided, whole or
not at all, readable by its owner alone.
"""

import json
import os
import tempfile
from pathlib import Path
from typing import Final

from fluxrouter_server.services.ports.errors import StoreRefused
from fluxrouter_server.store.keys import LAYOUT_VERSION, SHARD_HASH, SHARDS
from fluxrouter_server.store.layout import ClockKind, ShardLife

__all__ = ["WITNESS_FILE_NAME", "Witness"]

WITNESS_FILE_NAME: Final = "layout.json"
"""In the embedded store's data directory."""


class Witness:
    """The file; every call reads or writes it anew, since `doctor` may have in the meantime."""

    def __init__(self, data_dir: Path) -> None:
        self._path = data_dir / WITNESS_FILE_NAME

    def read(self) -> tuple[ShardLife, ...] | None:
        """Return the life of each shard; None where there is no file.

        Raises:
            StoreRefused: The file cannot be read, or is of another layout.
        """
        try:
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return None
        except OSError as error:
            raise StoreRefused(
                f"{self._path}: cannot be read ({error.strerror}); let this server's user read it"
            ) from error
        try:
            content = json.loads(text)
            lives = tuple(ShardLife(int(epoch), str(marker)) for epoch, marker in content["lives"])
            layout = (content["layout"], content["shards"], content["hash"])
        except (ValueError, TypeError, LookupError) as error:
            raise StoreRefused(
                f"{self._path}: is no layout file ({error}); restore it from a backup, or remove "
                "it if the store's data is intact"
            ) from error
        if layout != (LAYOUT_VERSION, SHARDS, SHARD_HASH) or len(lives) != SHARDS:
            raise StoreRefused(
                f"{self._path}: names layout {layout[0]}, {layout[1]} shards by {layout[2]}; this "
                f"server uses layout {LAYOUT_VERSION}, {SHARDS} shards by {SHARD_HASH}: run the "
                "server version that wrote it, or choose another data directory"
            )
        return lives

    def write(self, lives: tuple[ShardLife, ...], clock: ClockKind) -> None:
        """Replace the file, durably; a reader finds the old or the new one, never a part.

        Raises:
            StoreRefused: The directory cannot be written to.
        """
        content = {
            "layout": LAYOUT_VERSION,
            "shards": SHARDS,
            "hash": SHARD_HASH,
            "clock": clock,
            "lives": [[life.epoch, life.marker] for life in lives],
        }
        try:
            self._replace(json.dumps(content))
        except OSError as error:
            raise StoreRefused(
                f"{self._path}: cannot be written ({error.strerror}); let this server's user write "
                "to the data directory"
            ) from error

    def _replace(self, text: str) -> None:
        directory = self._path.parent
        descriptor, scratch = tempfile.mkstemp(dir=directory, prefix=f".{WITNESS_FILE_NAME}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:  # mkstemp made it 0600
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(scratch).replace(self._path)
        except BaseException:
            Path(scratch).unlink(missing_ok=True)
            raise
        _sync_directory(directory)


def _sync_directory(directory: Path) -> None:
    """Make a rename outlive a crash of the machine."""
    descriptor = os.open(directory, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
