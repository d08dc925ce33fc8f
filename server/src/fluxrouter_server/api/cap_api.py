"""CapService: tells what an account has spent and may still spend."""

from collections.abc import AsyncIterator

from fluxrouter.v1 import cap_pb2
from fluxrouter_server.api.call_context import CallContext
from fluxrouter_server.api.wire_decisions import fit_response, spend_message
from fluxrouter_server.api.wire_requests import (
    read_account_ref,
    read_named_accounts,
    read_query,
)
from fluxrouter_server.domain.denials import Denial
from fluxrouter_server.services.cap_service import CapService
from fluxrouter_server.services.ports.holds import StoreClock
from fluxrouter_server.services.refusals import invalid_field

__all__ = ["CapApi"]

_DEFAULT_INTERVAL_MILLISECONDS = 1000
_MIN_INTERVAL_MILLISECONDS = 100
_MAX_INTERVAL_MILLISECONDS = 60_000


class CapApi:
    """The methods of `fluxrouter.v1.CapService`, knowing no transport.

    Args:
        caps: What reads the counters.
        clock: What a retry's instant is counted from.
    """

    def __init__(self, caps: CapService, clock: StoreClock) -> None:
        self._caps = caps
        self._clock = clock

    async def check_cap(
        self, message: cap_pb2.CheckCapRequest, context: CallContext
    ) -> cap_pb2.CheckCapResponse | Denial:
        """Answers CheckCap."""
        account = read_account_ref(message.request.account, message.request.api_key)
        if isinstance(account, Denial):
            return account
        query = read_query(message.request)
        if isinstance(query, Denial):
            return query
        fit = await self._caps.check(query, account, context.caller)
        return fit if isinstance(fit, Denial) else fit_response(fit, self._clock.now_us())

    async def get_spend(
        self, message: cap_pb2.GetSpendRequest, context: CallContext
    ) -> cap_pb2.GetSpendResponse | Denial:
        """Answers GetSpend."""
        account = read_account_ref(message.account, message.api_key)
        if isinstance(account, Denial):
            return account
        spend = await self._caps.get_spend(account, context.caller)
        if isinstance(spend, Denial):
            return spend
        return cap_pb2.GetSpendResponse(spend=spend_message(spend))

    async def batch_get_spend(
        self, message: cap_pb2.BatchGetSpendRequest, context: CallContext
    ) -> cap_pb2.BatchGetSpendResponse | Denial:
        """Answers BatchGetSpend."""
        accounts = read_named_accounts(message.accounts)
        if isinstance(accounts, Denial):
            return accounts
        batch = await self._caps.get_spends(accounts, context.caller)
        if isinstance(batch, Denial):
            return batch
        return cap_pb2.BatchGetSpendResponse(
            spends=[spend_message(spend) for spend in batch.spends], missing=batch.missing
        )

    async def watch_spend(
        self, message: cap_pb2.WatchSpendRequest, context: CallContext
    ) -> AsyncIterator[cap_pb2.WatchSpendResponse | Denial]:
        """Answers WatchSpend; a Denial is the last item."""
        account = read_account_ref(message.account, message.api_key)
        interval = message.interval_milliseconds or _DEFAULT_INTERVAL_MILLISECONDS
        if isinstance(account, Denial):
            yield account
        elif not _MIN_INTERVAL_MILLISECONDS <= interval <= _MAX_INTERVAL_MILLISECONDS:
            yield invalid_field(
                "interval_milliseconds",
                f"{interval} is out of bounds; use {_MIN_INTERVAL_MILLISECONDS} to "
                f"{_MAX_INTERVAL_MILLISECONDS}, or 0 for {_DEFAULT_INTERVAL_MILLISECONDS}",
            )
        else:
            watch = self._caps.watch_spend(
                account, context.caller, interval_seconds=interval / 1000
            )
            async for spend in watch:
                if isinstance(spend, Denial):
                    yield spend
                else:
                    yield cap_pb2.WatchSpendResponse(spend=spend_message(spend))
