"""Adjustments as messages, and requests for them as values."""

from fluxrouter.v1 import ledger_pb2
from fluxrouter_server.api.field_reader import FieldReader
from fluxrouter_server.api.wire_time import timestamp
from fluxrouter_server.api.wire_usage import read_instant, sums_message
from fluxrouter_server.domain.adjustments import Adjusted, Adjustment
from fluxrouter_server.domain.denials import Denial
from fluxrouter_server.domain.ids import KeyName
from fluxrouter_server.domain.ledger import EntryKind
from fluxrouter_server.domain.pricing import Usage
from fluxrouter_server.domain.usage import UsageSums

__all__ = ["adjustment_message", "read_correction", "read_credit"]

_NO_USAGE = Usage(0, 0, 0, 0)


def read_correction(message: ledger_pb2.CorrectUsageRequest) -> Adjustment | Denial:
    """Returns the usage correction that is asked for."""
    reader = FieldReader()
    asked = Adjustment(
        id=message.adjustment_id,
        kind=EntryKind.ADJUSTMENT,
        amount_nano_usd=message.amount_nano_usd,
        reason=message.reason,
        instant_us=read_instant(message, "period_time", reader),
        key=KeyName(message.key) if message.key else None,
        labels=dict(message.labels),
    )
    return reader.denial() or asked


def read_credit(message: ledger_pb2.CreditInvoiceRequest) -> Adjustment | Denial:
    """Returns the invoice credit that is asked for."""
    reader = FieldReader()
    asked = Adjustment(
        id=message.adjustment_id,
        kind=EntryKind.INVOICE_CREDIT,
        amount_nano_usd=message.amount_nano_usd,
        reason=message.reason,
        instant_us=read_instant(message, "period_time", reader),
        key=None,
        labels={},
    )
    return reader.denial() or asked


def adjustment_message(adjustment_id: str, found: Adjusted) -> ledger_pb2.Adjustment:
    """Writes what became of an adjustment."""
    return ledger_pb2.Adjustment(
        adjustment_id=adjustment_id,
        kind=found.kind,
        replayed=found.replayed,
        amount_nano_usd=found.amount_nano_usd,
        sums=sums_message(UsageSums(0, _NO_USAGE, found.funds)),
        settled_after_nano_usd=found.settled_after_nano_usd,
        period_start_time=timestamp(found.period.start_us),
        period_end_time=timestamp(found.period.end_us),
        entry_time=timestamp(found.time_us),
        reason=found.reason,
    )
