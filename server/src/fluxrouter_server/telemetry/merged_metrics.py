"""One exposition out of those of several processes, so that a server has one metrics port.

What counts up is summed, the counts of processes that have ended included: a sum that fell would
look like a restart, and be added once more by whoever computes rates. Gauges are summed over the
living. What describes the server is taken from the first.
"""

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

__all__ = ["merged", "only_counts"]

#: Families of which a sum means nothing.
_NOT_SUMMED: Final = frozenset(
    {"fluxrouter_build_info", "fluxrouter_store_up", "process_start_time_seconds"}
)
_COUNTING: Final = frozenset({"counter", "histogram"})
#: Of the process, not of the server; the sum of all that ever ran would only grow.
_OF_PROCESS: Final = "process_"


@dataclass(slots=True)
class _Family:
    kind: str
    head: list[str] = field(default_factory=list)
    samples: dict[str, float] = field(default_factory=dict)


def merged(expositions: Iterable[bytes]) -> bytes:
    """Returns the sum of expositions (Prometheus text format 0.0.4)."""
    families: dict[str, _Family] = {}
    for exposition in expositions:
        for name, family in _families(exposition).items():
            known = families.setdefault(name, _Family(family.kind, family.head))
            for sample, value in family.samples.items():
                if sample not in known.samples:
                    known.samples[sample] = value
                elif name not in _NOT_SUMMED:
                    known.samples[sample] += value
    return _text(families)


def only_counts(exposition: bytes) -> bytes:
    """Returns what goes on counting when its process has ended."""
    return _text(
        {
            name: family
            for name, family in _families(exposition).items()
            if family.kind in _COUNTING and not name.startswith(_OF_PROCESS)
        }
    )


def _families(exposition: bytes) -> dict[str, _Family]:
    families: dict[str, _Family] = {}
    head: list[str] = []
    current = _Family("untyped")
    for line in exposition.decode("utf-8").splitlines():
        if line.startswith("# TYPE "):
            _, _, name, kind = line.split(" ", 3)
            current = families[name] = _Family(kind, [*head, line])
            head = []
        elif line.startswith("#"):
            head = [line]
        elif line:
            sample, _, value = line.rpartition(" ")
            current.samples[sample] = float(value)
    return families


def _text(families: dict[str, _Family]) -> bytes:
    lines = []
    for family in families.values():
        lines += family.head
        lines += [f"{sample} {value!r}" for sample, value in family.samples.items()]
    return ("\n".join(lines) + "\n").encode("utf-8")
