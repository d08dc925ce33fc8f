"""An operator's usage corrections and invoice credits: as entries, never as edits."""

from fluxrouter_server.domain.adjustments import Adjusted, Adjustment, validate_adjustment
from fluxrouter_server.domain.denials import Denial, Reason
from fluxrouter_server.domain.ids import AccountName
from fluxrouter_server.services.callers import AccountRef, Caller, Scope
from fluxrouter_server.services.decisions import Decisions
from fluxrouter_server.services.limits_cache import Snapshot
from fluxrouter_server.services.payers import Payer, Payers
from fluxrouter_server.services.ports.adjusting import AdjustCommand, AdjustmentStore, Elsewhere
from fluxrouter_server.services.ports.holds import Stale
from fluxrouter_server.services.ports.ledger import LedgerReader
from fluxrouter_server.services.refusals import invalid, invalid_field

__all__ = ["AdjustingService"]


class AdjustingService:
    """CorrectUsage and CreditInvoice; both may be repeated under the same id.

    Args:
        decisions: Repeats what was found in old documents.
        payers: Finds accounts.
        store: Where adjustments are written.
        ledger: Knows the periods that are closed.
    """

    def __init__(
        self,
        *,
        decisions: Decisions,
        payers: Payers,
        store: AdjustmentStore,
        ledger: LedgerReader,
    ) -> None:
        self._decisions = decisions
        self._payers = payers
        self._store = store
        self._ledger = ledger

    async def adjust(
        self, account: AccountName, asked: Adjustment, caller: Caller
    ) -> Adjusted | Denial:
        """Write an adjustment once; where it is refused, nothing is written.

        Raises:
            StoreUnavailable: Store or ledger do not answer; repeat it with the same id.
        """
        wrong = invalid(validate_adjustment(asked))
        if wrong is not None:
            return wrong

        async def find() -> Payer | Denial:
            return await self._payers.find(AccountRef(name=account), caller, Scope.CONTROL)

        async def adjust(_: Payer, snapshot: Snapshot) -> Adjusted | Denial | Stale:
            return await self._adjust(asked, snapshot, caller)

        answer = await self._decisions.decide(find, adjust)
        if isinstance(answer, Adjusted) and not answer.answers(asked):
            return _REUSED
        return answer

    async def _adjust(
        self, asked: Adjustment, snapshot: Snapshot, caller: Caller
    ) -> Adjusted | Denial | Stale:
        limits = snapshot.limits
        command = AdjustCommand(limits, snapshot.proposed_period, asked, caller.principal)
        answer = await self._store.adjust(command)
        if not isinstance(answer, Elsewhere):
            return answer
        closed = None
        if asked.instant_us is not None:
            closed = await self._ledger.period_at(limits.uid, asked.instant_us)
        if closed is not None:
            answer = await self._store.adjust(
                AdjustCommand(limits, snapshot.proposed_period, asked, caller.principal, closed)
            )
        return _NO_PERIOD if isinstance(answer, Elsewhere) else answer


_REUSED = Denial(
    Reason.REQUEST_ID_REUSED,
    "Another adjustment has this adjustment_id: take a new one, or repeat the first unchanged.",
)
_NO_PERIOD = invalid_field(
    "period_time", "the account had no period then; leave it out for the open one"
)
