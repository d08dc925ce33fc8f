"""What the embedded store is told to be: settings, and the configuration file made from them."""

import enum
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["AppendFsync", "EmbeddedSettings", "configuration"]

_HASH_MAX_LISTPACK_VALUE: Final = 256
"""Bytes. The accounts' hashes hold ids and digests longer than the default of 64; one such field
would turn the whole hash into a table that takes several times the memory."""

_HASH_MAX_LISTPACK_ENTRIES: Final = 128
"""Fields. An account with a few keys and budgets stays compact; above it a linear scan costs more
time than it saves memory."""


class AppendFsync(enum.StrEnum):
    """When a decision reaches the disk."""

    ALWAYS = "always"
    """Before it is answered: an acknowledged decision survives a crash of machine or process."""
    EVERYSEC = "everysec"
    """Within a second: a crash of the machine loses at most one second of decisions."""


@dataclass(frozen=True, slots=True)
class EmbeddedSettings:
    """How the embedded store is run.

    Attributes:
        data_dir: Holds the data, the lock and the store's log; made if it does not exist.
        appendfsync: See `AppendFsync`.
        maxmemory_bytes: Bound on the store's memory; 0 means none.
        start_timeout_seconds: A start that makes no progress for this long has failed. Reading a
            large file back may take longer, as long as it goes on.
        stop_timeout_seconds: An orderly shutdown that takes longer is cut short.
    """

    data_dir: Path
    appendfsync: AppendFsync = AppendFsync.ALWAYS
    maxmemory_bytes: int = 0
    start_timeout_seconds: float = 15.0
    stop_timeout_seconds: float = 10.0


def configuration(settings: EmbeddedSettings, socket_path: Path) -> str:
    """Writes the configuration file of a private, durable store on a unix socket.

    Args:
        settings: What to write.
        socket_path: Where it shall listen, absolute.

    Raises:
        ValueError: A path holds a control character, which the file cannot express.
    """
    lines = [
        "port 0",
        f"unixsocket {_quoted(socket_path)}",
        "unixsocketperm 700",
        f"dir {_quoted(settings.data_dir)}",
        "daemonize no",
        'logfile ""',
        "databases 1",
        # Every decision is in the append-only file; snapshots would only cost a fork.
        'save ""',
        "appendonly yes",
        f"appendfsync {settings.appendfsync.value}",
        "no-appendfsync-on-rewrite no",
        "aof-use-rdb-preamble yes",
        # After a crash the next start matters more than a test of all memory, which takes seconds.
        "crash-memcheck-enabled no",
        # A torn end was never acknowledged under `always`, so cutting it off loses nothing.
        "aof-load-truncated yes",
        # An evicted counter would be a fresh cap.
        "maxmemory-policy noeviction",
        f"maxmemory {settings.maxmemory_bytes}",
        f"hash-max-listpack-value {_HASH_MAX_LISTPACK_VALUE}",
        f"hash-max-listpack-entries {_HASH_MAX_LISTPACK_ENTRIES}",
    ]
    return "\n".join(lines) + "\n"


def _quoted(path: Path) -> str:
    text = str(path)
    if any(ord(character) < ord(" ") for character in text):
        raise ValueError(f"data directory {text!r}: control characters in a path; choose another")
    escaped = text.replace("\\", "\\\\").replace('"', '\\"')
    return f'"{escaped}"'
