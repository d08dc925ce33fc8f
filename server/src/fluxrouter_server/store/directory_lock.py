"""Makes sure that one data directory has one embedded store, whatever crashes.

The lock is an flock, so the kernel releases it with the last process that holds the open file. The
store itself inherits that file: while a store whose server was killed is still shutting down, the
directory stays locked, and two stores never write the same files.
"""

import fcntl
import os
from pathlib import Path
from typing import Final

from fluxrouter_server.store.errors import StoreLocked

__all__ = ["DirectoryLock", "acquire_directory_lock"]

_FILE_NAME: Final = "owner.lock"


class DirectoryLock:
    """A lock that is held until `release`, by this process and whoever inherits its descriptor.

    Attributes:
        descriptor: Of the open lock file; pass it to a child that shall hold the lock as well.
    """

    def __init__(self, descriptor: int) -> None:
        self.descriptor = descriptor

    def release(self) -> None:
        """Lets go of this process's share; a second call does nothing."""
        if self.descriptor >= 0:
            os.close(self.descriptor)
            self.descriptor = -1


def acquire_directory_lock(directory: Path) -> DirectoryLock | None:
    """Locks a directory for this process.

    Returns:
        The lock; None when the former owner has ended and its store is still shutting down, so that
        a later try will succeed.

    Raises:
        StoreLocked: A living process owns it; names the directory, the process and the remedy.
    """
    path = directory / _FILE_NAME
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        owner = os.pread(descriptor, 32, 0).decode(errors="replace").strip()
        os.close(descriptor)
        if owner.isdigit() and not _is_alive(int(owner)):
            return None
        raise StoreLocked(
            f"data directory {directory} is in use by process {owner or '(starting)'}: "
            "an embedded store serves one replica only; stop that process, give this one another "
            "data directory, or let both use one external store by URL"
        ) from None
    except BaseException:
        os.close(descriptor)
        raise
    os.ftruncate(descriptor, 0)
    os.pwrite(descriptor, f"{os.getpid()}\n".encode(), 0)
    return DirectoryLock(descriptor)


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # somebody else's process
    return True
