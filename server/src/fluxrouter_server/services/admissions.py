"""Makes what the store needs to decide about a request, or says why it can't be admitted."""

from collections.abc import Callable
from dataclasses import replace

from fluxrouter_server.domain.catalog import Model
from fluxrouter_server.domain.denials import Denial, Reason
from fluxrouter_server.domain.ids import Principal, RequestId
from fluxrouter_server.domain.limits import Limits
from fluxrouter_server.domain.plans import Enforcement
from fluxrouter_server.domain.requests import RouteQuery, digest
from fluxrouter_server.domain.values import per_call_value
from fluxrouter_server.routing.candidates import CandidateList, candidates_for
from fluxrouter_server.routing.rules import TierChoosers
from fluxrouter_server.routing.shortlists import Shortlists
from fluxrouter_server.services.key_validity import refuse_key
from fluxrouter_server.services.limits_cache import Snapshot
from fluxrouter_server.services.payers import Payer
from fluxrouter_server.services.ports.holds import AdmitCommand, StoreClock
from fluxrouter_server.services.refusals import not_found


def every_model_is_healthy(_: Model) -> bool:
    """Whether a model's upstream answers, where nobody watches upstreams."""
    return True


@per_call_value
class Ask:
    """A valid request with the call that it came in.

    `request_id` is the query's own, else the one that it was given; empty where nothing is held.
    """

    query: RouteQuery
    principal: Principal
    request_id: RequestId = RequestId("")
    call: str = ""


@per_call_value
class Admission:
    """A command for the store, and the candidates in it with their reasons."""

    command: AdmitCommand
    candidates: CandidateList


class Admissions:
    """Pure but for the store's clock, which is the only one whose instants mean anything here."""

    def __init__(
        self,
        *,
        clock: StoreClock,
        choosers: TierChoosers,
        healthy: Callable[[Model], bool] = every_model_is_healthy,
    ) -> None:
        self._clock = clock
        self._choosers = choosers
        self._healthy = healthy

    def prepare(
        self, ask: Ask, payer: Payer, snapshot: Snapshot, *, deadline_us: int | None = None
    ) -> Admission | Denial:
        """Return the command, or a denial that holds as far as the snapshot does.

        `deadline_us` is the store's time from which on the request must not be admitted any more.
        """
        limits = snapshot.limits
        now_us = self._clock.now_us()
        refused = refuse_key(payer.key, limits, now_us) or _refuse_account(limits)
        if refused is not None:
            return refused
        chosen = self._candidates(ask.query, payer, snapshot.shortlists, now_us=now_us)
        would_deny = _would_deny(limits)
        if _is_observed(chosen, limits):
            # Only the plan is observed. What a key may use is its owner's wish, and stays.
            open_plan = Shortlists(
                replace(limits, lanes=None, models=None), snapshot.shortlists.catalog
            )
            chosen = self._candidates(ask.query, payer, open_plan, now_us=now_us)
            would_deny = would_deny or Reason.MODEL_NOT_IN_PLAN
        if isinstance(chosen, Denial):
            return chosen
        command = _command(
            ask, payer, snapshot, chosen, would_deny=would_deny, deadline_us=deadline_us
        )
        return Admission(command, chosen)

    def prepare_recall(self, ask: Ask, payer: Payer, snapshot: Snapshot) -> AdmitCommand:
        """Return the same request's command without candidates, to ask whether it is known."""
        nothing = CandidateList(candidates=(), tier=None, tiers=(), reasons=())
        return _command(ask, payer, snapshot, nothing, would_deny="", deadline_us=None)

    def _candidates(
        self, query: RouteQuery, payer: Payer, shortlists: Shortlists, *, now_us: int
    ) -> CandidateList | Denial:
        return candidates_for(
            query,
            shortlists,
            key=payer.key.name if payer.key else None,
            now_us=now_us,
            chooser=self._choosers.of(shortlists.catalog),
            healthy=self._healthy,
        )


def _refuse_account(limits: Limits) -> Denial | None:
    """What stops an account whatever it asks for; `observe` covers the plan's rules only."""
    if limits.deleted:
        return not_found(f"The account {limits.account} is deleted: apply it again to revive it.")
    if limits.suspended:
        return Denial(
            Reason.ACCOUNT_SUSPENDED,
            f"The account {limits.account} is suspended: whoever runs it can lift that.",
        )
    if limits.payment_method_missing and limits.enforcement is Enforcement.ENFORCE:
        return Denial(
            Reason.PAYMENT_METHOD_REQUIRED,
            f"The plan {limits.plan} needs a payment method on file: add one to the account.",
            facts={"plan": limits.plan},
        )
    return None


def _would_deny(limits: Limits) -> str:
    return Reason.PAYMENT_METHOD_REQUIRED if limits.payment_method_missing else ""


def _is_observed(chosen: CandidateList | Denial, limits: Limits) -> bool:
    return (
        isinstance(chosen, Denial)
        and chosen.reason is Reason.MODEL_NOT_IN_PLAN
        and limits.enforcement is Enforcement.OBSERVE
    )


def _command(
    ask: Ask,
    payer: Payer,
    snapshot: Snapshot,
    chosen: CandidateList,
    *,
    would_deny: str,
    deadline_us: int | None,
) -> AdmitCommand:
    query, key = ask.query, payer.key
    key_name = key.name if key else None
    return AdmitCommand(
        limits=snapshot.limits,
        principal=ask.principal,
        key_hash=key.hash if key else None,
        key_name=key_name,
        request_id=ask.request_id,
        attempt=query.attempt,
        digest=digest(query, payer.uid, key_name),
        candidates=chosen.candidates,
        proposed_period=snapshot.proposed_period,
        labels=query.labels,
        model_asked=query.model,
        tier=chosen.tier,
        deadline_us=deadline_us,
        call=ask.call,
        would_deny=would_deny,
    )
