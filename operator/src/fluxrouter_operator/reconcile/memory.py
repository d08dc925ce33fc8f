"""What the operator has learned since it started: all of it can be learned again.

Nothing here is needed to be right; it saves calls and writes.
"""

import asyncio
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fluxrouter.v1 import cap_pb2
from fluxrouter_operator.decisions.announcements import Announcement
from fluxrouter_operator.decisions.conditions import Acknowledgement, Finding
from fluxrouter_operator.decisions.statuses import KeyFact
from fluxrouter_operator.observed import Key

__all__ = ["Known", "Memory"]


@dataclass(slots=True)
class Known:
    """What is known of one resource.

    Attributes:
        uid: of the resource; knowledge of an earlier one of the same name is void.
        accepted: the verdict; None before the first.
        acknowledged: what the server acknowledged last; None where it knows nothing of it.
        is_suspect: the server may have something else by now: send it again.
        trouble: what else keeps it from being ready.
        spend: an account's latest reading.
        keys: an account's keys that are taken care of; None before they were looked at.
        keys_generation: generation of the account whose keys were looked at last.
        plan: name of an account's plan when it was looked at last.
        selector: a plan's namespace selector when it was looked at last.
        told: the alarm that an event was written for last.
        written: the status that was written last; None before the first.
        writing: held while a status is composed and written, so that no older one comes last.
    """

    uid: str
    accepted: Finding | None = None
    acknowledged: Acknowledgement | None = None
    is_suspect: bool = False
    trouble: Finding | None = None
    spend: cap_pb2.Spend | None = None
    keys: Sequence[KeyFact] | None = None
    keys_generation: int = 0
    plan: str = ""
    selector: Mapping[str, Any] | None = None
    told: Announcement | None = None
    written: dict[str, Any] | None = None
    writing: asyncio.Lock = field(default_factory=asyncio.Lock)

    @property
    def is_accepted(self) -> bool:
        """Whether the latest verdict was good."""
        return self.accepted is not None and self.accepted.state == "True"


class Memory:
    """Known resources by key."""

    def __init__(self) -> None:
        self._known: dict[Key, Known] = {}

    def of(self, key: Key, uid: str) -> Known:
        """Returns what is known of a resource, which begins with nothing."""
        known = self._known.get(key)
        if known is None or known.uid != uid:
            known = self._known[key] = Known(uid)
        return known

    def find(self, key: Key) -> Known | None:
        """Returns what is known; None where nothing is."""
        return self._known.get(key)

    def forget(self, key: Key) -> Known | None:
        """Forgets a resource and returns what was known of it."""
        return self._known.pop(key, None)

    def items(self) -> Iterator[tuple[Key, Known]]:
        """Iterates over a copy, so that what goes on meanwhile does not disturb."""
        return iter(list(self._known.items()))
