"""Tells what an account has spent and may still spend; holds nothing and changes nothing."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

from fluxrouter_server.domain.denials import Denial
from fluxrouter_server.domain.ids import AccountName, PlanName
from fluxrouter_server.domain.requests import RouteQuery
from fluxrouter_server.services.callers import AccountRef, Caller
from fluxrouter_server.services.ports.holds import Fit, SpendReading


@dataclass(frozen=True, slots=True)
class Spend:
    """The counters of an account's open period, with the names in force at that reading."""

    account: AccountName
    plan: PlanName
    reading: SpendReading


class CapService:
    """CheckCap, GetSpend and WatchSpend."""

    async def check(self, query: RouteQuery, account: AccountRef, caller: Caller) -> Fit | Denial:
        """Say what Route would do now. A Denial is of the check itself (who asks, about whom).

        Raises:
            StoreUnavailable: the counters could not be read.
        """
        raise NotImplementedError

    async def get_spend(self, account: AccountRef, caller: Caller) -> Spend | Denial:
        """Read the counters.

        Raises:
            StoreUnavailable: the counters could not be read.
        """
        raise NotImplementedError

    def watch_spend(
        self, account: AccountRef, caller: Caller, *, interval_seconds: float
    ) -> AsyncIterator[Spend | Denial]:
        """Yield the counters, then again whenever they changed; a Denial is the last item.

        Raises:
            StoreUnavailable: the counters could not be read; the watch has ended.
        """
        raise NotImplementedError
