"""LedgerService: what operators correct, as entries."""

from fluxrouter.v1 import ledger_pb2
from fluxrouter_server.api.call_context import CallContext
from fluxrouter_server.api.wire_adjustments import adjustment_message, read_correction, read_credit
from fluxrouter_server.api.wire_requests import read_named_account
from fluxrouter_server.domain.adjustments import Adjusted, Adjustment
from fluxrouter_server.domain.denials import Denial
from fluxrouter_server.services.adjusting import AdjustingService

__all__ = ["LedgerApi"]


class LedgerApi:
    """The methods of `fluxrouter.v1.LedgerService`, knowing no transport.

    Args:
        adjusting: Writes corrections and credits.
    """

    def __init__(self, adjusting: AdjustingService) -> None:
        self._adjusting = adjusting

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

    async def _adjust(
        self, account: str, asked: Adjustment | Denial, context: CallContext
    ) -> Adjusted | Denial:
        name = read_named_account(account)
        if isinstance(name, Denial):
            return name
        if isinstance(asked, Denial):
            return asked
        return await self._adjusting.adjust(name, asked, context.caller)
