"""Ends holds, or enlarges them while an answer still runs."""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TypeVar

from fluxrouter_server.domain.checks import in_range
from fluxrouter_server.domain.denials import Denial, Reason
from fluxrouter_server.domain.hold_ids import HoldRef, parse_hold_id
from fluxrouter_server.domain.holds import Receipt
from fluxrouter_server.domain.ids import HoldId, RequestId
from fluxrouter_server.domain.pricing import MAX_TOKENS, Usage, validate_usage
from fluxrouter_server.domain.requests import RouteQuery
from fluxrouter_server.services.callers import AccountRef, Caller, Scope
from fluxrouter_server.services.decisions import Decisions
from fluxrouter_server.services.limits_cache import ACCOUNT_GONE, Snapshot
from fluxrouter_server.services.payers import Payer, Payers, scope_missing
from fluxrouter_server.services.ports.decision_log import DecisionLog, Grade
from fluxrouter_server.services.ports.holds import (
    ExtendCommand,
    Extended,
    HoldStore,
    ReleaseCommand,
    SettleCommand,
    Stale,
)
from fluxrouter_server.services.ports.telemetry import Counter, Telemetry
from fluxrouter_server.services.refusals import invalid, invalid_field

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class RequestRef:
    """A request whose hold id the caller never learned."""

    account: AccountRef
    request_id: RequestId
    attempt: int


class MeteringService:
    """Settle, Release and Extend; all may be repeated.

    A replica's stale documents never lose a settlement: it is repeated with today's, and where they
    keep changing the caller is told to repeat it.
    """

    def __init__(
        self,
        *,
        decisions: Decisions,
        payers: Payers,
        holds: HoldStore,
        telemetry: Telemetry,
        log: DecisionLog,
    ) -> None:
        self._decisions = decisions
        self._payers = payers
        self._holds = holds
        self._telemetry = telemetry
        self._log = log

    async def settle(
        self, hold_id: str, usage: Usage, caller: Caller, *, quality_percent: int | None = None
    ) -> Receipt | Denial:
        """Charge a hold with what was used; the first ending counts, later calls answer it again.

        `quality_percent`, where the caller knows it, goes into the decision log.

        Raises:
            StoreUnavailable: no decision was had; repeat it.
        """
        hold = _hold_of(hold_id, caller)
        if isinstance(hold, Denial):
            return hold
        wrong = invalid(
            (*validate_usage(usage), *in_range("quality_percent", quality_percent, low=0, high=100))
        )
        if wrong is not None:
            return wrong

        def settle(_: Payer, snapshot: Snapshot) -> Awaitable[Receipt | Denial | Stale]:
            return self._holds.settle(
                SettleCommand(
                    hold=hold,
                    usage=usage,
                    limits=snapshot.limits,
                    principal=caller.principal,
                    may_meter_any=caller.has(Scope.METER),
                )
            )

        receipt = self._count(await self._of_hold(hold, settle, is_ending=True))
        if quality_percent is not None and isinstance(receipt, Receipt):
            self._log.graded(Grade(HoldId(hold_id), receipt.request_id, quality_percent))
        return receipt

    async def release(self, target: str | RequestRef, caller: Caller) -> Receipt | Denial:
        """Give a hold back, named by its id or by its request.

        An unknown request is remembered, so that a delayed Route of it is not admitted any more.

        Raises:
            StoreUnavailable: no decision was had; repeat it.
        """
        if isinstance(target, RequestRef):
            return self._count(await self._release_request(target, caller))
        hold = _hold_of(target, caller)
        if isinstance(hold, Denial):
            return hold
        release = self._releasing(None, hold.attempt, hold, caller)
        return self._count(await self._of_hold(hold, release, is_ending=True))

    async def extend(
        self, hold_id: str, *, output_tokens: int, expire_us: int | None, caller: Caller
    ) -> Extended | Denial:
        """Enlarge a hold to absolute values; 0 and None leave as it is.

        Raises:
            StoreUnavailable: no decision was had; repeat it.
        """
        hold = _hold_of(hold_id, caller)
        if isinstance(hold, Denial):
            return hold
        if not 0 <= output_tokens <= MAX_TOKENS:
            return invalid_field(
                "max_output_tokens", f"{output_tokens} is out of bounds; use 0 to {MAX_TOKENS}"
            )

        def extend(_: Payer, snapshot: Snapshot) -> Awaitable[Extended | Denial | Stale]:
            return self._holds.extend(
                ExtendCommand(
                    hold=hold,
                    output_tokens=output_tokens,
                    expire_us=expire_us,
                    limits=snapshot.limits,
                    principal=caller.principal,
                    may_meter_any=caller.has(Scope.METER),
                )
            )

        return await self._of_hold(hold, extend, is_ending=False)

    async def _release_request(self, target: RequestRef, caller: Caller) -> Receipt | Denial:
        if not target.request_id:
            return invalid_field("request_id", "give it, or hold_id")
        # What no request could have been routed with is not worth remembering.
        wrong = invalid(RouteQuery("any", target.request_id, target.attempt).validate())
        if wrong is not None:
            return wrong

        async def find() -> Payer | Denial:
            return await self._payers.find(target.account, caller, Scope.ROUTE, Scope.METER)

        release = self._releasing(target.request_id, target.attempt, None, caller)
        return await self._decisions.decide(find, release, is_ending=True)

    def _releasing(
        self, request_id: RequestId | None, attempt: int, hold: HoldRef | None, caller: Caller
    ) -> Callable[[Payer, Snapshot], Awaitable[Receipt | Denial | Stale]]:
        def release(payer: Payer, snapshot: Snapshot) -> Awaitable[Receipt | Denial | Stale]:
            return self._holds.release(
                ReleaseCommand(
                    uid=payer.uid,
                    request_id=request_id,
                    attempt=attempt,
                    hold=hold,
                    limits=snapshot.limits,
                    principal=caller.principal,
                    may_meter_any=caller.has(Scope.METER),
                )
            )

        return release

    async def _of_hold(
        self,
        hold: HoldRef,
        step: Callable[[Payer, Snapshot], Awaitable[T | Denial | Stale]],
        *,
        is_ending: bool,
    ) -> T | Denial:
        payer = Payer(hold.uid)

        async def find() -> Payer:
            return payer

        answer = await self._decisions.decide(find, step, is_ending=is_ending)
        # The id is of no account that ever was, or of one whose data is purged.
        return _HOLD_NOT_FOUND if answer is ACCOUNT_GONE else answer

    def _count(self, answer: Receipt | Denial) -> Receipt | Denial:
        if isinstance(answer, Receipt) and not answer.replayed:
            self._telemetry.count(Counter.ENDED_HOLDS, label=answer.state)
            self._telemetry.count(Counter.BILLED_NANO_USD, answer.billed_nano_usd)
            self._telemetry.count(Counter.ABSORBED_NANO_USD, answer.absorbed_nano_usd)
        return answer


def _hold_of(hold_id: str, caller: Caller) -> HoldRef | Denial:
    """Read the hold id of a caller who may end holds; the store decides which ones."""
    if caller.key is None and not caller.has(Scope.ROUTE, Scope.METER):
        return scope_missing(Scope.METER)
    hold = parse_hold_id(hold_id)
    if hold is None:
        return invalid_field("hold_id", "this is no hold id; give the one that Route answered")
    if caller.key is not None and caller.key.uid != hold.uid:
        return _NOT_YOURS
    return hold


_HOLD_NOT_FOUND = Denial(
    Reason.HOLD_NOT_FOUND, "No hold has that id: give the one that Route answered."
)
_NOT_YOURS = Denial(
    Reason.HOLD_NOT_YOURS,
    "Only who made the hold, or a credential with the scope meter, may end or extend it.",
)
