"""What all parts of reconciling share: the view, the memory, the two servers, the queues."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from fluxrouter_operator.clients.cluster import Cluster
from fluxrouter_operator.clients.server import Server
from fluxrouter_operator.decisions.keys import wishes
from fluxrouter_operator.observed import Key, Kind, Observed
from fluxrouter_operator.reconcile.memory import Known, Memory
from fluxrouter_operator.reconcile.server_health import ServerHealth
from fluxrouter_operator.reconcile.view import View
from fluxrouter_operator.reconcile.work_queue import WorkQueue

__all__ = ["Pace", "World"]


@dataclass(frozen=True, slots=True)
class Pace:
    """How often the operator looks and writes without being asked.

    Attributes:
        spend_seconds: between two readings of all spending.
        resync_seconds: between two rounds that send everything again.
        secret_seconds: between two looks at an account's Secrets, at least.
        secrets_per_second: looks at accounts' Secrets, at most; with many accounts the rounds take
            longer than `secret_seconds`.
        status_writes_per_second: status writes, at most.
        settle_seconds: how long trouble must last to be worth an event.
        refused_seconds: until what was refused is tried again though nothing seems to have changed.
    """

    spend_seconds: float = 15.0
    resync_seconds: float = 600.0
    secret_seconds: float = 60.0
    secrets_per_second: float = 20.0
    status_writes_per_second: float = 50.0
    settle_seconds: float = 5.0
    refused_seconds: float = 60.0


@dataclass(frozen=True, slots=True)
class World:
    """Everything a part needs to gather and to act.

    `resources`, `keys` and `statuses` are what is to be applied, whose API keys are to be looked at
    and whose status is to be written; `spends` are statuses too, which can wait.
    """

    view: View
    server: Server
    cluster: Cluster
    health: ServerHealth
    pace: Pace
    now: Callable[[], datetime]
    memory: Memory = field(default_factory=Memory)
    resources: WorkQueue = field(default_factory=WorkQueue)
    keys: WorkQueue = field(default_factory=WorkQueue)
    statuses: WorkQueue = field(default_factory=WorkQueue)
    spends: WorkQueue = field(default_factory=WorkQueue)

    def known(self, observed: Observed) -> Known:
        """Returns what is known of a resource."""
        return self.memory.of(observed.key, observed.uid)

    def status(self, observed: Observed) -> Mapping[str, Any]:
        """Returns the status of a resource: the one written last, as the stream may lag behind."""
        written = self.known(observed).written
        return observed.status if written is None else written

    def wants_keys(self, observed: Observed) -> bool:
        """Whether an account has, or had, API keys that go into Secrets."""
        return bool(wishes(observed.spec)) or bool(self.status(observed).get("apiKeys"))

    def is_enforced(self, plan: str) -> bool:
        """Whether the server has acknowledged some generation of a plan."""
        known = self.memory.find(Key(Kind.PLAN, "", plan))
        return known is not None and known.acknowledged is not None
