"""What is wrong with a store and how to mend it: small pure checks over gathered facts."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from fluxrouter_server.services.ports.errors import StoreRefused
from fluxrouter_server.services.ports.ledger import Backlog
from fluxrouter_server.store.suitability import ServerFacts, Wanted, require_suitable

__all__ = ["Finding", "StoreFacts", "diagnose", "judge_backlog"]

_MOST_SKEW_US: Final = 2_000_000
"""Resets and expiries are as right as the store's clock; docs/protocol.md §10 alarms beyond it."""

_MOST_MEMORY_PERCENT: Final = 80
"""Admission stops when memory is full; what is left above this is for settlements meanwhile."""


@dataclass(frozen=True, slots=True)
class StoreFacts:
    """What was gathered of a store.

    Attributes:
        server: What the store says of itself.
        layout_problem: Why its data cannot be decided upon, with the remedy; None where it can.
        skew_us: Store's clock minus this machine's, µs.
        has_append_only_file: Whether every write goes to a file.
        append_fsync: `always`, `everysec` or `no`; None where the store does not tell.
        last_write_failed: Whether the store could not write its files the last time.
        used_memory_bytes: What its data takes.
        maxmemory_bytes: What it may take; 0 is no bound.
        wanted: What the settings take it for.
    """

    server: ServerFacts
    layout_problem: str | None
    skew_us: int
    has_append_only_file: bool
    append_fsync: str | None
    last_write_failed: bool
    used_memory_bytes: int
    maxmemory_bytes: int
    wanted: Wanted = Wanted()


@dataclass(frozen=True, slots=True)
class Finding:
    """The outcome of one check.

    `problem` says what is wrong, or, of a check that is `ok`, what is worth knowing; `remedy` says
    how to mend it. Either may be empty where there is nothing to say.
    """

    name: str
    ok: bool
    problem: str = ""
    remedy: str = ""


def diagnose(servers: Mapping[str, StoreFacts]) -> Sequence[Finding]:
    """Run every check, in the order in which problems are best mended.

    Args:
        servers: What was gathered of each server of the store, by its address.

    Returns:
        One finding a check where all is well; else one for each server with a problem, which is
        named where there are several.
    """
    findings = []
    for check in _CHECKS:
        found = {address: check(facts) for address, facts in servers.items()}
        bad = {address: finding for address, finding in found.items() if not finding.ok}
        if len(servers) == 1 or not bad:
            findings.append(next(iter((bad or found).values())))
            continue
        for address, finding in bad.items():
            findings.append(replace(finding, problem=f"{address}: {finding.problem}"))
    return findings


def judge_backlog(backlog: Backlog, *, max_lag_seconds: int) -> Finding:
    """Say how far the ledger lags behind the store; 0 seconds is no bound."""
    lag = (
        f"{backlog.entries} entries wait for the ledger, the oldest for {backlog.lag_seconds:.1f} s"
    )
    if not max_lag_seconds or backlog.lag_seconds <= max_lag_seconds:
        return Finding("ledger", ok=True, problem=lag)
    return Finding(
        "ledger",
        ok=False,
        problem=f"{lag}: above {max_lag_seconds} s nothing is admitted",
        remedy="see that a server runs and that the ledger's database answers; its worker then "
        "takes the entries by itself",
    )


def _suitability(facts: StoreFacts) -> Finding:
    try:
        require_suitable(facts.server, facts.wanted)
    except StoreRefused as refusal:
        problem, _, remedy = str(refusal).rpartition("; ")
        return Finding("suitability", ok=False, problem=problem, remedy=remedy)
    version = ".".join(map(str, facts.server.version))
    return Finding("suitability", ok=True, problem=f"{facts.server.product} {version}")


def _replicas(facts: StoreFacts) -> Finding:
    wanted, connected = facts.wanted.replicas, facts.server.connected_replicas
    if not wanted or wanted == connected:
        return Finding("replicas", ok=True)
    if connected < wanted:
        return Finding(
            "replicas",
            ok=False,
            problem=f"{connected} of {wanted} replicas are connected: nothing is decided",
            remedy="bring the others back, or lower --store-replicas and min-replicas-to-write",
        )
    return Finding(
        "replicas",
        ok=False,
        problem=f"{connected} replicas are connected and decisions wait for {wanted} of them: a "
        "fail-over to another one would forget decisions",
        remedy="raise --store-replicas and min-replicas-to-write to the number of replicas",
    )


def _layout(facts: StoreFacts) -> Finding:
    if facts.layout_problem is None:
        return Finding("layout", ok=True)
    return Finding("layout", ok=False, problem=facts.layout_problem)


def _clock(facts: StoreFacts) -> Finding:
    if abs(facts.skew_us) <= _MOST_SKEW_US:
        return Finding("clock", ok=True)
    direction = "ahead of" if facts.skew_us > 0 else "behind"
    return Finding(
        "clock",
        ok=False,
        problem=f"the store's clock is {abs(facts.skew_us) / 1e6:.1f} s {direction} this machine's",
        remedy="synchronise both by NTP; the store's clock decides when a month ends",
    )


def _persistence(facts: StoreFacts) -> Finding:
    if facts.last_write_failed:
        return Finding(
            "persistence",
            ok=False,
            problem="the store could not write its files",
            remedy="free disk space or mend the disk, then look at the store's log",
        )
    if not facts.has_append_only_file:
        return Finding(
            "persistence",
            ok=False,
            problem="the store keeps no append-only file: a restart loses all its data",
            remedy="set 'appendonly yes' and 'appendfsync always' in its configuration",
        )
    match facts.append_fsync:
        case "always":
            return Finding("persistence", ok=True)
        case None:
            return Finding(
                "persistence", ok=True, problem="the store does not tell its appendfsync"
            )
        case "everysec":
            return Finding(
                "persistence",
                ok=True,
                problem="a crash of the store's machine loses up to one second of decisions",
                remedy="set 'appendfsync always' to lose none",
            )
        case other:
            return Finding(
                "persistence",
                ok=False,
                problem=f"appendfsync is {other!r}: a crash loses what the system had not written",
                remedy="set 'appendfsync always', or 'everysec' to bound the loss to one second",
            )


def _memory(facts: StoreFacts) -> Finding:
    if not facts.maxmemory_bytes:
        return Finding("memory", ok=True, problem="no maxmemory is set: the machine is the bound")
    percent = 100 * facts.used_memory_bytes // facts.maxmemory_bytes
    if percent <= _MOST_MEMORY_PERCENT:
        return Finding("memory", ok=True, problem=f"{percent}% of maxmemory is used")
    return Finding(
        "memory",
        ok=False,
        problem=f"{percent}% of maxmemory is used; admission stops when it is full",
        remedy="raise maxmemory, and see that the ledger worker takes entries",
    )


_CHECKS: Final[tuple[Callable[[StoreFacts], Finding], ...]] = (
    _suitability,
    _replicas,
    _layout,
    _clock,
    _persistence,
    _memory,
)
