"""Repeats a decision until it was made from documents of today.

A replica decides from what it remembers; only the store knows whether that is still in force. So a
decision of the store is final unless it says STALE, and a refusal that this replica found by itself
is final only after the store has confirmed the documents that it was found in: an account that was
suspended until a moment ago must not be turned away by a replica that missed the change
(docs/protocol.md §2).
"""

from collections.abc import Awaitable, Callable
from typing import Final, TypeVar

from fluxrouter_server.domain.denials import Denial
from fluxrouter_server.services.limits_cache import LimitsCache, Snapshot
from fluxrouter_server.services.payers import Payer
from fluxrouter_server.services.ports.errors import StoreUnavailable
from fluxrouter_server.services.ports.holds import (
    AdmitCommand,
    Admitted,
    HoldStore,
    SpendReading,
    Stale,
)
from fluxrouter_server.services.ports.telemetry import Counter, Telemetry

T = TypeVar("T")

#: Once, and three times more with documents that were just read. Whoever meets a change in each of
#: them meets a storm of changes, and is told to come back.
TRIES: Final = 4


Find = Callable[[], Payer | Awaitable[Payer | Denial]]
"""Returns the payer at once where memory has it: to await it would cost more than to find it."""
Step = Callable[[Payer, Snapshot], Awaitable[T | Denial | Stale]]


class Decisions:
    """Runs the steps that decide."""

    def __init__(self, *, cache: LimitsCache, holds: HoldStore, telemetry: Telemetry) -> None:
        self._cache = cache
        self._holds = holds
        self._telemetry = telemetry

    async def decide(self, find: Find, step: Step[T], *, is_ending: bool = False) -> T | Denial:
        """Find the payer, run the step with its documents, and again while they are stale.

        `find` is asked each time: a name may stand for another account after a refresh. A step that
        `is_ending` a hold is run even where the account's plan is gone.

        Raises:
            StoreUnavailable: no answer, or the documents kept changing. The latter took no effect.
        """
        read = self._cache.snapshot_for_ending if is_ending else self._cache.snapshot
        for _ in range(TRIES):
            found = find()
            payer = found if isinstance(found, Payer) else await found
            if isinstance(payer, Denial):
                return payer
            snapshot = self._cache.remembered(payer.uid) or await read(payer.uid)
            if isinstance(snapshot, Denial):
                return snapshot
            answer = await step(payer, snapshot)
            if not isinstance(answer, Stale):
                return answer
            self._telemetry.count(Counter.STALE)
            self._cache.refresh(payer.uid, answer)
        raise StoreUnavailable(
            "the account's documents changed during each try; try again", outcome_unknown=False
        )

    async def recall(self, command: AdmitCommand, denial: Denial) -> Admitted | Denial | Stale:
        """Return what the store answers to a request that this replica would deny; else the denial.

        A request that was admitted stays so, even where its retry finds the model gone or the plan
        narrowed (docs/protocol.md §4).

        Raises:
            StoreUnavailable: it could not be found out.
        """
        return await self._holds.recall(command) or denial

    async def confirm(self, snapshot: Snapshot) -> SpendReading | Stale:
        """Return the account's counters where the documents are in force, else what is.

        A step asks this before it answers anything that the store did not decide.

        Raises:
            StoreUnavailable: it could not be found out.
        """
        # It compares account and plan; no counter depends on the catalog.
        reading = await self._holds.read_spend(snapshot.limits, snapshot.proposed_period)
        if isinstance(reading, Stale):
            return reading
        catalog = await self._cache.read_catalog()
        if catalog is not None and catalog.generation == snapshot.catalog.generation:
            return reading
        return Stale(
            account=None,
            plan=None,
            catalog=catalog,
            open_period=snapshot.open_period,
            store_us=reading.store_us,
            catalog_missing=catalog is None,
        )
