"""The three conditions that every resource has: Accepted, Enforced, Ready.

Each is a finding of its own; Ready follows from the other two and whatever else may be wrong.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from fluxrouter.v1 import kubernetes_pb2
from fluxrouter_operator.decisions.instants import parse_instant, timestamp
from fluxrouter_operator.decisions.reasons import Reason

__all__ = [
    "ACCEPTED",
    "READY",
    "Acknowledgement",
    "Finding",
    "Silence",
    "Standing",
    "State",
    "conditions",
]


class State(StrEnum):
    """Status of a condition."""

    TRUE = "True"
    FALSE = "False"
    UNKNOWN = "Unknown"


@dataclass(frozen=True, slots=True)
class Finding:
    """One condition's state, and why. The message says what to do where something is to be done."""

    state: State
    reason: Reason
    message: str


ACCEPTED = Finding(State.TRUE, Reason.ACCEPTED, "The spec is right.")
READY = Finding(State.TRUE, Reason.READY, "All is well.")
_PENDING = Finding(
    State.UNKNOWN, Reason.PENDING, "The server has not acknowledged this generation yet."
)


@dataclass(frozen=True, slots=True)
class Acknowledgement:
    """What the server acknowledged last: the resource's generation, and identities at the server.

    `digest` is of the message that was sent, `server_generation` and `server_uid` are its answer.
    """

    generation: int
    digest: bytes
    server_generation: int
    server_uid: str


@dataclass(frozen=True, slots=True)
class Silence:
    """The server has not answered since then, and this was the first sign of it."""

    since: datetime
    error: str


@dataclass(frozen=True, slots=True)
class Standing:
    """What is known of a resource, from which its conditions follow.

    `accepted` is None until it was judged. `silence` is set while the server has not answered for
    so long that nothing can be said. `trouble` is what else keeps it from being ready.
    """

    generation: int
    accepted: Finding | None
    acknowledged: Acknowledgement | None
    silence: Silence | None = None
    trouble: Finding | None = None


def conditions(
    standing: Standing, previous: Sequence[Mapping[str, Any]], now: datetime
) -> list[kubernetes_pb2.Condition]:
    """Return the conditions of a resource, in order.

    `previous` are those in its status; a condition whose status stays the same keeps its transition
    time.
    """
    accepted = standing.accepted or _PENDING
    enforced = _enforced(standing)
    findings = {"Accepted": accepted, "Enforced": enforced, "Ready": _ready(standing, enforced)}
    before = {condition.get("type"): condition for condition in previous}
    return [
        kubernetes_pb2.Condition(
            type=name,
            status=finding.state,
            observed_generation=standing.generation,
            last_transition_time=timestamp(_transition(before.get(name), finding, now)),
            reason=finding.reason,
            message=finding.message,
        )
        for name, finding in findings.items()
    ]


def _enforced(standing: Standing) -> Finding:
    acknowledged = standing.acknowledged
    if standing.silence is not None:
        return Finding(
            State.UNKNOWN,
            Reason.SERVER_UNREACHABLE,
            "The FluxRouter server has not answered the operator since "
            f"{standing.silence.since:%Y-%m-%dT%H:%M:%SZ} ({standing.silence.error}). What it "
            "enforced before stays in force; this repairs itself when it answers again.",
        )
    if acknowledged is not None and acknowledged.generation == standing.generation:
        return Finding(
            State.TRUE,
            Reason.ACKNOWLEDGED,
            f"The server acknowledged generation {standing.generation}: every replica enforces it.",
        )
    if standing.accepted is not None and standing.accepted.state is State.FALSE:
        older = (
            f"Generation {acknowledged.generation} stays in force."
            if acknowledged is not None
            else "Nothing is in force."
        )
        return Finding(State.FALSE, Reason.NOT_ACCEPTED, f"{older} {standing.accepted.message}")
    return _PENDING


def _ready(standing: Standing, enforced: Finding) -> Finding:
    accepted = standing.accepted
    if accepted is not None and accepted.state is State.FALSE:
        return accepted
    if enforced.state is not State.TRUE:
        return enforced
    return standing.trouble or READY


def _transition(before: Mapping[str, Any] | None, finding: Finding, now: datetime) -> datetime:
    if before is None or before.get("status") != finding.state:
        return now
    return parse_instant(before.get("lastTransitionTime", "")) or now
