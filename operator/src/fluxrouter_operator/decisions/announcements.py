"""Kubernetes events: what a person would want to know of a resource, once, and nothing else.

An event's name follows from what it tells, so telling it again after a crash changes nothing.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from fluxrouter_operator.decisions.instants import parse_instant
from fluxrouter_operator.decisions.reasons import Reason
from fluxrouter_operator.decisions.spend_status import Crossing
from fluxrouter_operator.observed import API_VERSION, Observed

__all__ = [
    "Alarm",
    "Announcement",
    "Level",
    "alarm",
    "event",
    "key_changed",
    "recovery",
    "threshold",
]

_COMPONENT: Final = "fluxrouter-operator"
_MAX_MESSAGE: Final = 1024  # the API server refuses longer ones
#: States that a person should hear of. What waits for the server repairs itself.
_ALARMING: Final = frozenset(
    {
        Reason.PLAN_NOT_FOUND,
        Reason.NAMESPACE_NOT_ALLOWED,
        Reason.REFUSED,
        Reason.DELETION_REFUSED,
        Reason.SECRET_NOT_OURS,
        Reason.SECRET_FAILED,
    }
)


class Level(StrEnum):
    """How alarming an event is, in Kubernetes' words."""

    NORMAL = "Normal"
    WARNING = "Warning"


@dataclass(frozen=True, slots=True)
class Announcement:
    """Something to tell about a resource; `occasion` tells two of the same reason apart."""

    level: Level
    reason: Reason
    message: str
    occasion: str


@dataclass(frozen=True, slots=True)
class Alarm:
    """A state that a person should hear of, once it has lasted."""

    told: Announcement
    since: datetime

    def lasts(self, now: datetime, settle: timedelta) -> bool:
        """Whether it is no passing state, such as an account applied a moment before its plan."""
        return now - self.since >= settle


def alarm(status: Mapping[str, Any], now: datetime) -> Alarm | None:
    """Return the alarming state that a status shows; None where there is none."""
    ready = _ready(status)
    if ready is None or ready.get("reason") not in _ALARMING:
        return None
    since = parse_instant(ready.get("lastTransitionTime", "")) or now
    reason = Reason(ready["reason"])
    occasion = f"{ready.get('observedGeneration')}/{ready.get('lastTransitionTime')}"
    return Alarm(Announcement(Level.WARNING, reason, ready.get("message", ""), occasion), since)


def recovery(
    before: Mapping[str, Any], after: Mapping[str, Any], now: datetime, settle: timedelta
) -> Announcement | None:
    """Return the news that a resource is ready again after a state that people heard of.

    One that becomes ready for the first time does what it should: that is no news.
    """
    earlier, ready = alarm(before, now), _ready(after)
    if earlier is None or not earlier.lasts(now, settle):
        return None
    if ready is None or ready["status"] != "True":
        return None
    occasion = f"{ready['observedGeneration']}/{ready['lastTransitionTime']}"
    return Announcement(Level.NORMAL, Reason.READY, "All is well again.", occasion)


def key_changed(reason: Reason, key: str, secret: str, occasion: str) -> Announcement:
    """Say that a key was made, rotated or revoked; never what it is."""
    messages = {
        Reason.KEY_CREATED: f"The key {key} was made and is in the Secret {secret}.",
        Reason.KEY_ROTATED: f"The key {key} was rotated; the new one is in the Secret {secret}.",
        Reason.KEY_REVOKED: f"The key {key} was revoked and its Secret {secret} deleted.",
    }
    return Announcement(Level.NORMAL, reason, messages[reason], f"{key}/{occasion}")


def threshold(crossing: Crossing) -> Announcement:
    """Say that a level has reached a percentage of its cap."""
    subject = "The account" if crossing.level == "account" else f"The level {crossing.level}"
    spent = f"{crossing.settled_usd} of {crossing.cap_usd} USD"
    occasion = f"{crossing.level}/{crossing.percent}/{crossing.reset_time}"
    if crossing.is_cap:
        message = (
            f"{subject} has reached its cap ({spent}): requests are denied until "
            f"{crossing.reset_time}, or until the cap is raised."
        )
        return Announcement(Level.WARNING, Reason.CAP_REACHED, message, occasion)
    message = (
        f"{subject} has spent {crossing.percent}% of its cap ({spent}), which starts anew at "
        f"{crossing.reset_time}."
    )
    return Announcement(Level.WARNING, Reason.CAP_THRESHOLD, message, occasion)


def event(about: Observed, told: Announcement, now: datetime) -> dict[str, Any]:
    """Return the Event object; one of a kind without namespace lies in `default`."""
    instant = f"{now:%Y-%m-%dT%H:%M:%SZ}"
    content = f"{about.uid}\x00{told.reason}\x00{told.occasion}"
    name = hashlib.sha256(content.encode()).hexdigest()[:16]
    reference = {
        "apiVersion": API_VERSION,
        "kind": about.key.kind.value,
        "name": about.key.name,
        "uid": about.uid,
    }
    if about.key.namespace:
        reference["namespace"] = about.key.namespace
    return {
        "apiVersion": "v1",
        "kind": "Event",
        "metadata": {
            "name": f"{about.key.name}.{name}",
            "namespace": about.key.namespace or "default",
        },
        "involvedObject": reference,
        "reason": told.reason.value,
        "message": told.message[:_MAX_MESSAGE],
        "type": told.level.value,
        "source": {"component": _COMPONENT},
        "reportingComponent": _COMPONENT,
        "reportingInstance": "",
        "firstTimestamp": instant,
        "lastTimestamp": instant,
        "count": 1,
    }


def _ready(status: Mapping[str, Any]) -> Mapping[str, Any] | None:
    for condition in status.get("conditions", ()):
        if condition.get("type") == "Ready":
            found: Mapping[str, Any] = condition
            return found
    return None
