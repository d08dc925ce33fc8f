"""Compares the counters of accounts with the ledger, while both go on to change.

The ledger is only added to, so its sums up to a place in an account's sequence never change once
they are complete. Counters are read together with that place; then the ledger is given a moment to
have all entries up to it. What differs then, differs.
"""

import asyncio
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from typing import Final

from fluxrouter_server.domain.ids import AccountName, AccountUid
from fluxrouter_server.services.ports.ledger import (
    AccountCounters,
    CounterQuery,
    CounterStore,
    Drift,
    LedgerReader,
)
from fluxrouter_server.services.recurring import Sleep

__all__ = ["CheckProgress", "LedgerCheck"]

_PATIENCE_SECONDS: Final = 5.0
"""How long entries may be on their way before an account counts as lagging."""

_PAUSE_SECONDS: Final = 0.25


@dataclass(frozen=True, slots=True)
class CheckProgress:
    """What some accounts came to; `lagging` ones are neither right nor wrong."""

    checked: int
    lagging: int
    drifts: tuple[Drift, ...]


class LedgerCheck:
    """Finds drift.

    Args:
        counters: One side.
        ledger: The other.
        sleep: Waits for entries on their way.
    """

    def __init__(
        self, *, counters: CounterStore, ledger: LedgerReader, sleep: Sleep = asyncio.sleep
    ) -> None:
        self._counters = counters
        self._ledger = ledger
        self._sleep = sleep

    async def check_all(self) -> AsyncIterator[CheckProgress]:
        """Compare every account, some at a time.

        Raises:
            StoreError: Store or ledger do not answer.
        """
        async for some in self._counters.read_all():
            yield await self._compare(some)

    async def check(self, uid: AccountUid, name: AccountName) -> CheckProgress:
        """Compare one account; raises as `check_all`."""
        return await self._compare([await self._counters.read(uid, name)])

    async def _compare(self, found: Sequence[AccountCounters]) -> CheckProgress:
        waited, left = 0.0, list(found)
        while True:
            drifts, incomplete = await self._compare_once(left)
            if not drifts or waited >= _PATIENCE_SECONDS:
                break
            left = [counters for counters in left if counters.name in {d.account for d in drifts}]
            await self._sleep(_PAUSE_SECONDS)
            waited += _PAUSE_SECONDS
        return CheckProgress(
            checked=len(found),
            lagging=len(incomplete),
            drifts=tuple(drift for drift in drifts if drift.account not in incomplete),
        )

    async def _compare_once(
        self, found: Sequence[AccountCounters]
    ) -> tuple[list[Drift], set[AccountName]]:
        """Return what differs, and the accounts of which the newest entries are missing."""
        derived = await self._ledger.derive(
            [
                CounterQuery(item.uid, item.seq, item.closed_period, item.first_hour)
                for item in found
            ]
        )
        drifts: list[Drift] = []
        incomplete = set()
        for counters, sums in zip(found, derived, strict=True):
            drifts += self._counters.differences(counters, sums)
            if sums.latest_seq < counters.seq:
                incomplete.add(counters.name)
        return drifts, incomplete
