"""Rebuilds counters of a living store from the ledger, account by account, while it is in use.

The ledger has an account's entries up to some number, the stream those after it; both together are
the counters that belong to the number that the account has. They are written only if it still has
it (docs/protocol.md §9). What is held stays: the holds are there.
"""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import Final

import structlog

from fluxrouter_server.domain.denials import Denial
from fluxrouter_server.domain.ids import AccountName
from fluxrouter_server.services.callers import AccountRef, Caller, Scope
from fluxrouter_server.services.derived_sums import with_pending
from fluxrouter_server.services.payers import Payers
from fluxrouter_server.services.ports.errors import StoreUnavailable
from fluxrouter_server.services.ports.ledger import (
    AccountCounters,
    CounterQuery,
    CounterRestorer,
    CounterStore,
    Drift,
    LedgerReader,
)

__all__ = ["CounterRebuild", "RebuildProgress"]

_log = structlog.get_logger(__name__)

_TRIES: Final = 100
"""An account that is in use changes between reading and writing now and then, not for ever."""

_PAUSE_SECONDS: Final = 0.02
_LOOK_SECONDS: Final = 0.5
_PATIENCE_SECONDS: Final = 60.0
"""How long a fenced store may say the same before it is given up."""


@dataclass(frozen=True, slots=True)
class RebuildProgress:
    """What was done since the last message.

    Attributes:
        accounts: Accounts that were looked at.
        mended: Counters that were wrong, with what they were and what they are now.
        incomplete: What kept accounts from being rebuilt: entries that are missing.
        waiting: What is waited for, where the whole store is rebuilt first; empty else.
    """

    accounts: int = 0
    mended: tuple[Drift, ...] = ()
    incomplete: tuple[Drift, ...] = ()
    waiting: str = ""


class CounterRebuild:
    """Restores counters by hand.

    Args:
        counters: What may be wrong.
        restorer: What writes it anew.
        ledger: What is right.
        payers: Finds accounts.
        problem: Why the store cannot be used, and how far a rebuild of all of it is; None: it can.
        sleep: Pauses between tries.
    """

    def __init__(
        self,
        *,
        counters: CounterStore,
        restorer: CounterRestorer,
        ledger: LedgerReader,
        payers: Payers,
        problem: Callable[[], str | None],
        sleep: Callable[[float], Awaitable[None]] = asyncio.sleep,
    ) -> None:
        self._counters = counters
        self._restorer = restorer
        self._ledger = ledger
        self._payers = payers
        self._problem = problem
        self._sleep = sleep

    async def run(
        self, account: AccountName | None, caller: Caller
    ) -> AsyncIterator[RebuildProgress | Denial]:
        """Rebuild one account's counters, or all; where shards are lost, wait for their rebuild.

        Raises:
            StoreError: Store or ledger do not answer, or an account changed at every try.
        """
        async for progress in self._wait_for_store():
            yield progress
        if account is None:
            async for some in self._counters.read_all():
                for found in some:
                    yield await self._rebuild(found)
            return
        payer = await self._payers.find(AccountRef(name=account), caller, Scope.CONTROL)
        if isinstance(payer, Denial):
            yield payer
            return
        yield await self._rebuild(await self._counters.read(payer.uid, account))

    async def _wait_for_store(self) -> AsyncIterator[RebuildProgress]:
        told, waited = None, 0.0
        while (problem := self._problem()) is not None:
            if problem != told:
                told, waited = problem, 0.0
                yield RebuildProgress(waiting=problem)
            if waited >= _PATIENCE_SECONDS:
                raise StoreUnavailable(problem, outcome_unknown=False)
            await self._sleep(_LOOK_SECONDS)
            waited += _LOOK_SECONDS

    async def _rebuild(self, found: AccountCounters) -> RebuildProgress:
        for attempt in range(_TRIES):
            query = CounterQuery(found.uid, found.seq, found.closed_period, found.first_hour)
            (known,) = await self._ledger.derive([query])
            if known.latest_seq < found.seq:
                known = with_pending(known, await self._restorer.pending(found.uid), query)
            drifts = self._counters.differences(found, known)
            missing = tuple(drift for drift in drifts if drift.what == "chain")
            if not drifts:
                return RebuildProgress(accounts=1)
            # An entry may have moved from the stream to the ledger between the two looks.
            if missing and attempt >= _TRIES // 2:
                return RebuildProgress(accounts=1, incomplete=missing)
            if not missing and await self._restorer.restore(found, known):
                _log.warning("counters_rebuilt", account=found.name, counters=len(drifts))
                return RebuildProgress(accounts=1, mended=tuple(drifts))
            await self._sleep(_PAUSE_SECONDS)
            found = await self._counters.read(found.uid, found.name)
        raise StoreUnavailable(
            f"the account {found.name} changed during each try; try again", outcome_unknown=False
        )
