"""Starts a program that must not outlive the process that wanted it. Run by path, never imported.

::

    guard.py exec  PARENT_PID PROGRAM ARG...   becomes PROGRAM (Linux)
    guard.py watch PARENT_PID PROGRAM ARG...   stays as PROGRAM's parent (anywhere)

A server that is killed (out of memory, say) cannot stop its store, and a store left behind would
hold the data directory against the next server. With `exec` the kernel sends SIGTERM to PROGRAM
when the *thread* that started it ends, so it is for starts from a main thread. With `watch` this
process waits for the end of its standard input, a pipe of which the parent holds the other end.

It uses the standard library alone and is run with `-I -S`: it starts in some 15 ms.
"""

import ctypes
import os
import signal
import subprocess
import sys
import threading
from types import FrameType

_PR_SET_PDEATHSIG = 1
"""From linux/prctl.h: the signal that this process gets when its parent ends; exec keeps it."""

_OWNER_ONLY = 0o077
"""Files of PROGRAM are readable by their owner alone."""


def become(parent_pid: int, command: list[str]) -> None:
    """Turns this process into `command`, which gets SIGTERM when the parent ends."""
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.prctl(_PR_SET_PDEATHSIG, signal.SIGTERM) != 0:
        raise OSError(ctypes.get_errno(), "prctl(PR_SET_PDEATHSIG) failed")
    if os.getppid() != parent_pid:
        sys.exit(0)  # the parent ended before the line above could take hold
    os.execv(command[0], command)  # noqa: S606 - our own parent's command line


def watch(command: list[str]) -> None:
    """Runs `command` until it ends or standard input does; exits with its code."""
    child = subprocess.Popen(  # noqa: S603 - as above
        command, stdin=subprocess.DEVNULL, close_fds=False
    )

    def stop(_signal: int, _frame: FrameType | None) -> None:
        child.terminate()

    def follow() -> None:
        code = child.wait()
        os._exit(code if code >= 0 else 128 - code)  # a signal's number as shells report it

    signal.signal(signal.SIGTERM, stop)
    threading.Thread(target=follow, daemon=True).start()
    while sys.stdin.buffer.read(1):
        pass
    child.terminate()
    child.wait()


def main(arguments: list[str]) -> None:
    """Does what the module's docstring says; the working directory and open files are inherited."""
    mode, parent_pid, *command = arguments
    os.umask(_OWNER_ONLY)
    if mode == "exec":
        become(int(parent_pid), command)
    watch(command)


if __name__ == "__main__":
    main(sys.argv[1:])
