"""Envoy's `ext_authz`: a gateway that exists already asks before it passes a request on.

It may ask only whether the request would be admitted, or have its money held. Nobody can change a
body on this way, so a hold that would not cover all of the answer that was asked for is a refusal.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

import structlog

from fluxrouter.envoy.v3.ext_authz_pb2 import CheckRequest, CheckResponse
from fluxrouter_server.dialects.admitting import Admitting
from fluxrouter_server.dialects.incoming import Incoming
from fluxrouter_server.dialects.refusals import STORE_UNAVAILABLE, Refusal, Refused, refusal_of
from fluxrouter_server.domain.denials import Denial, Reason
from fluxrouter_server.domain.holds import Hold, Receipt
from fluxrouter_server.domain.money import format_usd
from fluxrouter_server.domain.pricing import Usage
from fluxrouter_server.gateways.answers import denied, fitting, held
from fluxrouter_server.gateways.questions import Mode, Question, read_question, shape
from fluxrouter_server.services.callers import Caller
from fluxrouter_server.services.cap_service import CapService
from fluxrouter_server.services.metering_service import MeteringService
from fluxrouter_server.services.ports.errors import StoreError
from fluxrouter_server.services.routing_service import RouteService

__all__ = ["SERVICE", "CheckRequest", "CheckResponse", "ExtAuthz"]

#: Full name of the service whose `Check` this is.
SERVICE: Final = "envoy.service.auth.v3.Authorization"

_log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True)
class ExtAuthz:
    """Answers gateways.

    Attributes:
        routes: Holds.
        caps: Looks, without a hold.
        metering: Gives back what is not enough.
        random: Returns an unpredictable text.
    """

    routes: RouteService
    caps: CapService
    metering: MeteringService
    random: Callable[[], str]

    async def check(
        self, request: CheckRequest, caller: Caller, time_left_us: int | None
    ) -> CheckResponse:
        """Say what becomes of a request.

        Every refusal is an answer, one of the store included: a gateway would tell its caller
        nothing of a call that failed.

        Args:
            request: What the gateway knows of it.
            caller: The gateway.
            time_left_us: How long the gateway waits for the decision; None: it did not say.
        """
        made, headers = self.random(), request.attributes.request.http.headers
        try:
            question = read_question(request, made=made)
            decided = await self._decide(question, caller, time_left_us, headers)
        except Refused as refused:
            decided = refused.refusal
        except StoreError as error:
            _log.error("store_refused", method=SERVICE, error=str(error))
            decided = STORE_UNAVAILABLE
        if isinstance(decided, Refusal):
            return denied(decided, shape(request), request.attributes.request.http.id or made)
        return decided

    async def _decide(
        self,
        question: Question,
        caller: Caller,
        time_left_us: int | None,
        headers: Mapping[str, str],
    ) -> CheckResponse | Refusal:
        incoming = question.incoming
        if question.mode is Mode.CHECK:
            return await self._look(incoming, caller, headers)
        admitting = Admitting(self.routes, caller, lambda hold: self._receipt(hold, caller))
        routed = await admitting.admit(
            incoming.query(1, frozenset()),
            incoming.account,
            waits=False,
            time_left_us=time_left_us,
        )
        if isinstance(routed, Refusal):
            return routed
        hold = routed.hold
        if hold.granted_output_tokens < hold.wished_output_tokens:
            await self.metering.release(hold.id, caller)
            return _too_little(hold)
        return held(routed, incoming.asked.model, headers)

    async def _look(
        self, incoming: Incoming, caller: Caller, headers: Mapping[str, str]
    ) -> CheckResponse | Refusal:
        fit = await self.caps.check(incoming.query(1, frozenset()), incoming.account, caller)
        if isinstance(fit, Denial):
            return refusal_of(fit)
        if fit.denial is not None:
            return refusal_of(fit.denial)
        if fit.candidate is None:
            raise AssertionError("a request fits without a model")
        return fitting(fit.candidate, fit.headroom_nano_usd, headers)

    async def _receipt(self, hold: Hold, caller: Caller) -> Receipt | None:
        """How a hold that is over ended: a second ending changes nothing and tells the first."""
        answer = await self.metering.settle(hold.id, Usage(0, 0, 0, 0), caller)
        return answer if isinstance(answer, Receipt) else None


def _too_little(hold: Hold) -> Refusal:
    wished = hold.wished_output_tokens
    return Refusal(
        402,
        Reason.CAP_REACHED.lower(),
        f"what is left covers {hold.granted_output_tokens} of the {wished} output tokens that this "
        "answer may have; ask for fewer, or raise the cap",
        should_retry=False,
        figures={
            "granted_max_output_tokens": hold.granted_output_tokens,
            "remaining_usd": format_usd(hold.headroom_nano_usd + hold.held_nano_usd),
        },
    )
