"""Writes adjustments in Valkey; implements `AdjustmentStore`."""

from typing import Final

from fluxrouter_server.domain.adjustments import Adjusted
from fluxrouter_server.domain.denials import Denial
from fluxrouter_server.domain.ledger import EntryKind, Funds
from fluxrouter_server.domain.money import format_usd
from fluxrouter_server.domain.periods import Period
from fluxrouter_server.services.ports.adjusting import AdjustCommand, Elsewhere
from fluxrouter_server.services.ports.holds import Stale
from fluxrouter_server.services.refusals import invalid_field
from fluxrouter_server.store.hold_calls import Answer, HoldCalls
from fluxrouter_server.store.hold_records import unpack
from fluxrouter_server.store.packed_limits import LimitsPacker, level_name, pack
from fluxrouter_server.store.replies import Argument
from fluxrouter_server.store.stale_documents import read_stale

__all__ = ["ValkeyAdjustmentStore", "pack_adjusted"]

_AMOUNT: Final = "amount_nano_usd"
_HOUR: Final = slice(2, 4)
"""Where the hour's level and cap are in what a request counts against: no adjustment moves it."""


class ValkeyAdjustmentStore:
    """Writes each adjustment by one script.

    Args:
        calls: Runs the scripts.
    """

    def __init__(self, calls: HoldCalls) -> None:
        self._calls = calls
        self._packer = LimitsPacker()

    async def adjust(self, command: AdjustCommand) -> Adjusted | Elsewhere | Denial | Stale:
        """Write an adjustment once, all of it or nothing.

        Raises:
            StoreError: No answer; the same call may be repeated.
        """
        limits = command.limits
        answer = await self._calls.run("adjust", limits.uid, limits.plan, self._words(command))
        match answer[0]:
            case b"ADJUSTED":
                return _read_adjusted(answer)
            case b"ELSEWHERE":
                return Elsewhere()
            case b"REFUSED":
                return _refusal(answer)
            case _:
                return read_stale(answer, limits.uid)

    def _words(self, command: AdjustCommand) -> tuple[Argument, ...]:
        """The arguments from the ninth on."""
        asked, closed, proposed = command.adjustment, command.closed, command.proposed_period
        packed = self._packer.pack(command.limits)
        levels = unpack(packed.levels(asked.labels, asked.key))
        del levels[_HOUR]
        origin = (asked.key or "", dict(asked.labels), "", "")
        return (
            asked.id,
            asked.kind.value,
            asked.amount_nano_usd,
            "" if asked.instant_us is None else asked.instant_us,
            *(("", "", "") if closed is None else (closed.number, closed.start_us, closed.end_us)),
            packed.generations[0],
            packed.generations[1],
            pack(levels),
            packed.terms,
            packed.alerts,
            pack(origin),
            command.principal,
            asked.reason,
            proposed.start_us,
            proposed.end_us,
        )


def pack_adjusted(found: Adjusted) -> bytes:
    """Write what an account keeps of an adjustment, as `lua/adjust.lua` does."""
    funds, after = found.funds, found.settled_after_nano_usd
    return pack(
        [
            found.kind.value, found.amount_nano_usd, found.time_us,
            found.period.start_us, found.period.end_us,
            funds.billed_nano_usd, funds.absorbed_nano_usd, funds.included_nano_usd,
            funds.metered_nano_usd, funds.credit_nano_usd, -1 if after is None else after,
            found.reason,
        ]
    )  # fmt: skip


def _read_adjusted(answer: Answer) -> Adjusted:
    (
        kind, amount, time_us, start_us, end_us, billed, absorbed, included, metered, credit, after,
        reason,
    ) = unpack(answer[3])  # fmt: skip
    return Adjusted(
        replayed=bool(answer[2]),
        kind=EntryKind(kind.decode()),
        amount_nano_usd=amount,
        reason=reason.decode(),
        time_us=time_us,
        period=Period(start_us, end_us),
        funds=Funds(
            cost_nano_usd=billed + absorbed - credit,
            billed_nano_usd=billed,
            absorbed_nano_usd=absorbed,
            included_nano_usd=included,
            metered_nano_usd=metered,
            credit_nano_usd=credit,
        ),
        settled_after_nano_usd=None if after < 0 else after,
    )


def _refusal(answer: Answer) -> Denial:
    _, _, why, level, figure = answer
    match why:
        case b"closed":
            return invalid_field(
                _AMOUNT, "the period is closed and nothing is refunded there: credit an invoice"
            )
        case b"settled":
            return invalid_field(
                _AMOUNT,
                f"more than {level_name(level)} has settled in that period, which is "
                f"{format_usd(figure)} USD ({figure} nano-USD): refund at most that",
            )
        case _:
            return invalid_field(
                _AMOUNT, f"the period has {figure} nano-USD absorbed and cannot count so much more"
            )
