"""What an operator changes about an account's money, and what becomes of it.

A usage correction moves counters, an invoice credit none (docs/protocol.md §8). Both are entries of
the ledger under an id of their own, and written once for it.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Final

from fluxrouter_server.domain.denials import FieldViolation
from fluxrouter_server.domain.ids import KeyName
from fluxrouter_server.domain.ledger import EntryKind, Funds
from fluxrouter_server.domain.money import MAX_NANO_USD
from fluxrouter_server.domain.periods import Period

__all__ = ["Adjusted", "Adjustment", "validate_adjustment"]

_MOST_ID_CHARACTERS: Final = 128
_MOST_REASON_CHARACTERS: Final = 500


@dataclass(frozen=True, slots=True)
class Adjustment:
    """What an operator asks for.

    Attributes:
        id: Its own, chosen by the caller: the same one is written once.
        kind: ADJUSTMENT, a usage correction, or INVOICE_CREDIT.
        amount_nano_usd: Of a correction: above 0 a debit, below 0 a refund. Of a credit: above 0.
        reason: For people; mandatory.
        instant_us: Any instant of the period that it belongs to; None is the open period.
        key: The API key whose use is corrected; None of none.
        labels: Those of the use that is corrected: they tell the budgets.
    """

    id: str
    kind: EntryKind
    amount_nano_usd: int
    reason: str
    instant_us: int | None
    key: KeyName | None
    labels: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class Adjusted:
    """What became of an adjustment.

    Attributes:
        replayed: Whether it had been written before.
        kind: As asked for, when it was written.
        amount_nano_usd: As asked for, when it was written.
        reason: As given, when it was written.
        time_us: When it was written.
        period: The period it belongs to.
        funds: What changed.
        settled_after_nano_usd: The period's counter after it; None in a closed period.
    """

    replayed: bool
    kind: EntryKind
    amount_nano_usd: int
    reason: str
    time_us: int
    period: Period
    funds: Funds
    settled_after_nano_usd: int | None

    def answers(self, asked: Adjustment) -> bool:
        """Whether this is what was asked for, and not another adjustment under the same id."""
        ours = (self.kind, self.amount_nano_usd, self.reason)
        is_there = asked.instant_us is None or self.period.contains(asked.instant_us)
        return is_there and ours == (asked.kind, asked.amount_nano_usd, asked.reason)


def validate_adjustment(asked: Adjustment) -> Iterator[FieldViolation]:
    """Say which fields are wrong, by their names in the contracts."""
    if not 0 < len(asked.id) <= _MOST_ID_CHARACTERS or not _is_plain(asked.id):
        yield FieldViolation(
            "adjustment_id",
            f"is required: 1 to {_MOST_ID_CHARACTERS} printable characters, the same for a retry",
        )
    if not asked.reason.strip() or len(asked.reason) > _MOST_REASON_CHARACTERS:
        yield FieldViolation(
            "reason", f"is required: say why, in up to {_MOST_REASON_CHARACTERS} characters"
        )
    elif not _is_plain(asked.reason):
        yield FieldViolation("reason", "must be one line of printable characters")
    if not -MAX_NANO_USD <= asked.amount_nano_usd <= MAX_NANO_USD:
        yield FieldViolation("amount_nano_usd", f"must be from -{MAX_NANO_USD} to {MAX_NANO_USD}")
    elif asked.kind is EntryKind.INVOICE_CREDIT and asked.amount_nano_usd <= 0:
        yield FieldViolation("amount_nano_usd", "must be above 0: it is what the invoice is less")
    elif asked.amount_nano_usd == 0:
        yield FieldViolation("amount_nano_usd", "must not be 0: above is a debit, below a refund")


def _is_plain(text: str) -> bool:
    return text.isprintable()
