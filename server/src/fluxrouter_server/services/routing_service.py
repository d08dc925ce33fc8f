"""Routes a request: chooses the model and sets its worst-case cost aside in one atomic step."""

from collections.abc import Awaitable, Callable
from itertools import count
from typing import Final

from fluxrouter_server.domain.catalog import Alias
from fluxrouter_server.domain.denials import Denial
from fluxrouter_server.domain.holds import Hold
from fluxrouter_server.domain.ids import RequestId
from fluxrouter_server.domain.pace import Pace
from fluxrouter_server.domain.plans import RateLimits
from fluxrouter_server.domain.requests import RouteQuery
from fluxrouter_server.domain.values import per_call_value
from fluxrouter_server.routing.candidates import CandidateList
from fluxrouter_server.routing.rules import TierDecision
from fluxrouter_server.services.admissions import Admissions, Ask
from fluxrouter_server.services.callers import AccountRef, Caller, Scope
from fluxrouter_server.services.decisions import Decisions
from fluxrouter_server.services.key_validity import refuse_key
from fluxrouter_server.services.limits_cache import Snapshot
from fluxrouter_server.services.offers import Offer, OfferedModel, offer_of
from fluxrouter_server.services.payers import Payer, Payers
from fluxrouter_server.services.ports.decision_log import Choice, DecisionLog
from fluxrouter_server.services.ports.holds import (
    Admitted,
    Stale,
    StoreClock,
)
from fluxrouter_server.services.ports.telemetry import Counter, Telemetry
from fluxrouter_server.services.refusals import invalid
from fluxrouter_server.services.unknown_outcomes import UnknownOutcomes

__all__ = ["Alias", "Offer", "OfferedModel", "RouteService", "Routed"]

#: How long a decision may take to reach the store. It is a little longer than the store's client
#: waits, so that what arrives later is from a caller who was told UNAVAILABLE.
PATIENCE_US: Final = 250_000


@per_call_value
class Routed:
    """An admission. Where `replayed`, it was given before and must not lead to an upstream call.

    `rate_limits` are those that the account is held to today, `pace` where a new admission left
    them. `decision` is how the tier was chosen, None where it was asked for.
    """

    hold: Hold
    replayed: bool
    reasons: tuple[str, ...]
    rate_limits: RateLimits
    decision: TierDecision | None = None
    pace: Pace | None = None


class RouteService:
    """Route and ListModels."""

    def __init__(
        self,
        *,
        admissions: Admissions,
        decisions: Decisions,
        payers: Payers,
        unknown: UnknownOutcomes,
        clock: StoreClock,
        telemetry: Telemetry,
        log: DecisionLog,
        random: Callable[[int], bytes],
    ) -> None:
        """`random` returns so many unpredictable bytes."""
        self._admissions = admissions
        self._decisions = decisions
        self._payers = payers
        self._unknown = unknown
        self._clock = clock
        self._telemetry = telemetry
        self._log = log
        self._random = random
        self._process = random(8).hex()
        self._calls = count(1)

    async def route(
        self, query: RouteQuery, account: AccountRef, caller: Caller, *, time_left_us: int | None
    ) -> Routed | Denial:
        """Admit a request or say why not.

        `time_left_us` is how long the caller will wait for the answer; None where it did not say.
        A request without an id is given one, once, so that it is the same in every repetition.

        Raises:
            StoreUnavailable: no decision was had. If one was made all the same it is undone.
        """
        answer = invalid(query.validate()) or await self._route(
            query, account, caller, time_left_us
        )
        self._count(answer)
        return answer

    async def list_models(self, account: AccountRef, caller: Caller) -> Offer | Denial:
        """List what the account (and the key, where one is used) may ask for.

        Raises:
            StoreUnavailable: the account could not be read.
        """

        def find() -> Awaitable[Payer | Denial]:
            return self._payers.find(account, caller, Scope.ROUTE)

        async def offer(payer: Payer, snapshot: Snapshot) -> Offer | Denial | Stale:
            confirmed = await self._decisions.confirm(snapshot)
            if isinstance(confirmed, Stale):
                return confirmed
            now_us = self._clock.now_us()
            refused = refuse_key(payer.key, snapshot.limits, now_us)
            return refused or offer_of(payer.key, snapshot, now_us)

        return await self._decisions.decide(find, offer)

    def _route(
        self, query: RouteQuery, account: AccountRef, caller: Caller, time_left_us: int | None
    ) -> Awaitable[Routed | Denial]:
        request_id = query.request_id or RequestId(self._random(16).hex())
        gone_us = None if time_left_us is None else self._clock.now_us() + time_left_us
        ask = Ask(query, caller.principal, request_id, self._next_call())

        def find() -> Payer | Awaitable[Payer | Denial]:
            remembered = self._payers.remembered(account, caller, Scope.ROUTE)
            return remembered or self._payers.find(account, caller, Scope.ROUTE)

        async def admit(payer: Payer, snapshot: Snapshot) -> Routed | Denial | Stale:
            deadline_us = self._deadline_us(gone_us)
            prepared = self._admissions.prepare(ask, payer, snapshot, deadline_us=deadline_us)
            if isinstance(prepared, Denial):
                asked = self._admissions.prepare_recall(ask, payer, snapshot)
                answer = await self._decisions.recall(asked, prepared)
            else:
                answer = await self._unknown.admit(prepared.command)
            if not isinstance(answer, Admitted):
                return answer
            model = answer.hold.model
            rate_limits = snapshot.limits.rate_limits
            if isinstance(prepared, Denial):
                # Where nothing can be chosen today, nothing can be said for the choice.
                return Routed(answer.hold, answer.replayed, (), rate_limits)
            chosen = prepared.candidates
            if not answer.replayed:
                self._keep_choice(query, answer.hold, chosen)
            reasons = chosen.reasons_for(model)
            return Routed(
                answer.hold, answer.replayed, reasons, rate_limits, chosen.decision, answer.pace
            )

        return self._decisions.decide(find, admit)

    def _next_call(self) -> str:
        return f"{self._process}{next(self._calls):x}"

    def _deadline_us(self, gone_us: int | None) -> int:
        patient_us = self._clock.now_us() + PATIENCE_US
        return patient_us if gone_us is None else min(patient_us, gone_us)

    def _count(self, answer: Routed | Denial) -> None:
        if isinstance(answer, Denial):
            self._telemetry.count(Counter.DENIED, label=answer.reason)
        elif answer.replayed:
            self._telemetry.count(Counter.REPLAYED)
        else:
            self._telemetry.count(Counter.ADMITTED, label=answer.hold.lane)
            if answer.hold.would_deny:
                self._telemetry.count(Counter.WOULD_DENY, label=answer.hold.would_deny)

    def _keep_choice(self, query: RouteQuery, hold: Hold, chosen: CandidateList) -> None:
        """Count and log how the tier of a new admission was chosen, where it was."""
        decision, served = chosen.decision, chosen.tier_of(hold.model)
        if decision is None or served is None:
            return
        self._telemetry.count(Counter.TIER_CHOSEN, label=decision.tier)
        if decision.shadow is not None:
            pair = f"{decision.tier}/{decision.shadow.tier}"
            self._telemetry.count(Counter.SHADOW_CHOICE, label=pair)
        self._log.chose(Choice(hold, served, decision, query.text))
