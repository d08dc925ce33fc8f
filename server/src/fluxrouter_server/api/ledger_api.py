"""LedgerService: what operators correct, as entries."""

from collections.abc import AsyncIterator

from fluxrouter.v1 import ledger_pb2
from fluxrouter_server.api.call_context import CallContext
from fluxrouter_server.api.field_reader import FieldReader
from fluxrouter_server.api.wire_adjustments import adjustment_message, read_correction, read_credit
from fluxrouter_server.api.wire_requests import read_named_account
from fluxrouter_server.api.wire_usage import drift_message, read_instant
from fluxrouter_server.domain.adjustments import Adjusted, Adjustment
from fluxrouter_server.domain.denials import Denial
from fluxrouter_server.services.adjusting import AdjustingService
from fluxrouter_server.services.counter_rebuild import CounterRebuild
from fluxrouter_server.services.retention import Retention

__all__ = ["LedgerApi"]


class LedgerApi:
    """The methods of `fluxrouter.v1.LedgerService`, knowing no transport.

    Args:
        adjusting: Writes corrections and credits.
        rebuild: Restores counters.
        retention: Takes out what need not be kept.
    """

    def __init__(
        self, adjusting: AdjustingService, rebuild: CounterRebuild, retention: Retention
    ) -> None:
        self._adjusting = adjusting
        self._rebuild = rebuild
        self._retention = retention

    async def correct_usage(
        self, message: ledger_pb2.CorrectUsageRequest, context: CallContext
    ) -> ledger_pb2.CorrectUsageResponse | Denial:
        """Answers CorrectUsage."""
        found = await self._adjust(message.account, read_correction(message), context)
        if isinstance(found, Denial):
            return found
        return ledger_pb2.CorrectUsageResponse(
            adjustment=adjustment_message(message.adjustment_id, found)
        )

    async def credit_invoice(
        self, message: ledger_pb2.CreditInvoiceRequest, context: CallContext
    ) -> ledger_pb2.CreditInvoiceResponse | Denial:
        """Answers CreditInvoice."""
        found = await self._adjust(message.account, read_credit(message), context)
        if isinstance(found, Denial):
            return found
        return ledger_pb2.CreditInvoiceResponse(
            adjustment=adjustment_message(message.adjustment_id, found)
        )

    async def rebuild_counters(
        self, message: ledger_pb2.RebuildCountersRequest, context: CallContext
    ) -> AsyncIterator[ledger_pb2.RebuildCountersResponse | Denial]:
        """Answers RebuildCounters; a Denial is the last item."""
        account = read_named_account(message.account) if message.account else None
        if isinstance(account, Denial):
            yield account
            return
        accounts = 0
        async for progress in self._rebuild.run(account, context.caller):
            if isinstance(progress, Denial):
                yield progress
                return
            accounts += progress.accounts
            if progress.mended or progress.incomplete or progress.waiting:
                yield ledger_pb2.RebuildCountersResponse(
                    mended=map(drift_message, progress.mended),
                    incomplete=map(drift_message, progress.incomplete),
                    accounts=accounts,
                    waiting=progress.waiting,
                )
        yield ledger_pb2.RebuildCountersResponse(accounts=accounts, done=True)

    async def prune_ledger(
        self, message: ledger_pb2.PruneLedgerRequest, _: CallContext
    ) -> ledger_pb2.PruneLedgerResponse | Denial:
        """Answers PruneLedger."""
        reader = FieldReader()
        before_us = read_instant(message, "before_time", reader)
        taken = reader.denial() or await self._retention.prune(before_us)
        if isinstance(taken, Denial):
            return taken
        return ledger_pb2.PruneLedgerResponse(accounts=taken.accounts, entries=taken.entries)

    async def forget_label(
        self, message: ledger_pb2.ForgetLabelRequest, _: CallContext
    ) -> ledger_pb2.ForgetLabelResponse | Denial:
        """Answers ForgetLabel."""
        account = read_named_account(message.account) if message.account else None
        if isinstance(account, Denial):
            return account
        value = message.value if message.HasField("value") else None
        taken = await self._retention.forget_label(message.name, value=value, account=account)
        if isinstance(taken, Denial):
            return taken
        return ledger_pb2.ForgetLabelResponse(accounts=taken.accounts, entries=taken.entries)

    async def _adjust(
        self, account: str, asked: Adjustment | Denial, context: CallContext
    ) -> Adjusted | Denial:
        name = read_named_account(account)
        if isinstance(name, Denial):
            return name
        if isinstance(asked, Denial):
            return asked
        return await self._adjusting.adjust(name, asked, context.caller)
