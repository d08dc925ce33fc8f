"""Gets a request admitted, under the next attempt where earlier ones came to nothing.

A request has one id for as long as it is retried: by its caller, who sends an `Idempotency-Key`, or
by us, who go on to the next model. What was answered before is never answered again by an
upstream; what was given back is tried anew (docs/protocol.md §4).
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Final

from fluxrouter_server.dialects.refusals import STORE_UNAVAILABLE, Refusal, refusal_of
from fluxrouter_server.domain.denials import Denial, Reason
from fluxrouter_server.domain.holds import Hold, HoldState, Receipt
from fluxrouter_server.domain.money import format_usd
from fluxrouter_server.domain.requests import RouteQuery
from fluxrouter_server.services.callers import AccountRef, Caller
from fluxrouter_server.services.ports.errors import StoreError
from fluxrouter_server.services.routing_service import Routed, RouteService

__all__ = ["Admitting"]

#: Known attempts of one request that are stepped over.
_MOST_STEPS: Final = 16
#: Going on to the next model is an attempt of its own and counts against the account's rate; it
#: waits for that so long at most, so that a plan of one request a second has a second model, too.
_LONGEST_WAIT_US: Final = 2_000_000
_MICROSECONDS: Final = 1_000_000

_IN_PROGRESS: Final = Refusal(
    409,
    "request_in_progress",
    "a request with this Idempotency-Key is being answered; wait for its answer",
    should_retry=False,
)
_OVER: Final = frozenset({HoldState.RELEASED, HoldState.EXPIRED_RELEASED})


class Admitting:
    """Asks for a hold.

    Args:
        routes: Decides.
        caller: For whom.
        receipt_of: Says how a hold that is over ended.
        sleep: Waits for seconds.
    """

    def __init__(
        self,
        routes: RouteService,
        caller: Caller,
        receipt_of: Callable[[Hold], Awaitable[Receipt | None]],
        sleep: Callable[[float], Awaitable[object]] = asyncio.sleep,
    ) -> None:
        self._routes = routes
        self._caller = caller
        self._receipt_of = receipt_of
        self._sleep = sleep

    async def admit(
        self,
        query: RouteQuery,
        account: AccountRef,
        *,
        waits: bool,
        time_left_us: int | None = None,
    ) -> Routed | Refusal:
        """Return a new admission, or why there is none.

        Args:
            query: What is asked, under the first attempt that may be new.
            account: Who pays.
            waits: Whether to wait a moment where the account's rate is used up.
            time_left_us: How long the caller waits for the decision; None: it did not say.
        """
        try:
            return await self._admit(query, account, waits=waits, time_left_us=time_left_us)
        except StoreError:
            return STORE_UNAVAILABLE

    async def _admit(
        self,
        query: RouteQuery,
        account: AccountRef,
        *,
        waits: bool,
        time_left_us: int | None,
    ) -> Routed | Refusal:
        for _ in range(_MOST_STEPS):
            answer = await self._routes.route(
                query, account, self._caller, time_left_us=time_left_us
            )
            if isinstance(answer, Denial):
                attempt = _next_attempt(answer, query.attempt)
                if attempt is not None:
                    query = replace(query, attempt=attempt)
                elif waits and answer.reason is Reason.RATE_LIMITED and _is_soon(answer):
                    waits = False
                    await self._sleep((answer.retry_after_us or 0) / _MICROSECONDS)
                else:
                    return _refusal(answer, query.attempt)
            elif not answer.replayed:
                return answer
            elif answer.hold.state is HoldState.ACTIVE:
                return _IN_PROGRESS
            elif answer.hold.state in _OVER:
                query = replace(query, attempt=answer.hold.attempt + 1)
            else:
                return await self._already_answered(answer.hold)
        return _IN_PROGRESS

    async def _already_answered(self, hold: Hold) -> Refusal:
        receipt = await self._receipt_of(hold)
        return Refusal(
            409,
            "request_already_answered",
            "the request with this Idempotency-Key was answered and charged; use another key for "
            "another answer",
            should_retry=False,
            figures=_receipt_figures(hold, receipt),
        )


def _next_attempt(denial: Denial, attempt: int) -> int | None:
    """The attempt to go on with where this one is known to be over; None where it is not."""
    if denial.reason is not Reason.ATTEMPT_SUPERSEDED:
        return None
    known = denial.facts.get("attempt")
    if known is None:
        return attempt + 1
    # Of an attempt below ours it says that it still runs.
    return int(known) if int(known) > attempt else None


def _is_soon(denial: Denial) -> bool:
    return denial.retry_after_us is not None and denial.retry_after_us <= _LONGEST_WAIT_US


def _refusal(denial: Denial, attempt: int) -> Refusal:
    if denial.reason is Reason.ATTEMPT_SUPERSEDED and denial.facts.get("attempt") != attempt:
        return _IN_PROGRESS
    return refusal_of(denial)


def _receipt_figures(hold: Hold, receipt: Receipt | None) -> dict[str, str | int]:
    figures: dict[str, str | int] = {"request_id": hold.request_id, "model": hold.model}
    if receipt is not None:
        figures |= {"state": receipt.state, "billed_usd": format_usd(receipt.billed_nano_usd)}
    return figures
