"""Tries models, one after another, until one has begun to answer: hold, call, and give back.

Each try has a hold of its own, of the same request under the next attempt. So whatever model
answers, what is held covers it, what is charged is at its rates, and the ledger names it.
"""

from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass
from typing import Final

from fluxrouter_server.dialects.admitting import Admitting
from fluxrouter_server.dialects.incoming import Incoming
from fluxrouter_server.dialects.json_body import to_json
from fluxrouter_server.dialects.refusals import Refusal
from fluxrouter_server.domain.catalog import Protocol
from fluxrouter_server.domain.holds import Hold
from fluxrouter_server.domain.pricing import Usage
from fluxrouter_server.edge.charging import estimated_usage
from fluxrouter_server.edge.endings import Endings
from fluxrouter_server.edge.keeping import Keeper
from fluxrouter_server.edge.upstream_answers import (
    Failure,
    OpenStream,
    WholeAnswer,
    open_stream,
    read_whole,
    unreachable,
)
from fluxrouter_server.edge.upstreams import (
    Health,
    Upstream,
    UpstreamBroken,
    UpstreamCalls,
    UpstreamDirectory,
)
from fluxrouter_server.services.ports.telemetry import Counter, Telemetry
from fluxrouter_server.services.routing_service import Routed

__all__ = ["Attempts", "Begun", "CallerGone", "credential_headers"]

#: Models that are tried for one request.
_MOST_TRIES: Final = 3
_NOT_CONFIGURED: Final = Refusal(
    503, "no_healthy_model", "the model's upstream is not configured; use another model"
)


class CallerGone(Exception):
    """Nobody reads an answer any more, and the hold has ended."""


@dataclass(frozen=True, slots=True)
class Begun:
    """An answer that has begun, with what pays for it; `keeping` keeps its hold alive."""

    routed: Routed
    answer: WholeAnswer | OpenStream
    keeping: AsyncExitStack


class Attempts:
    """Finds the model that answers.

    Args:
        admitting: Makes holds.
        endings: Ends them.
        keeper: Keeps them alive.
        calls: Calls upstreams.
        directory: Knows them.
        health: Knows who is sick.
        telemetry: Counts failures.
    """

    def __init__(
        self,
        *,
        admitting: Admitting,
        endings: Endings,
        keeper: Keeper,
        calls: UpstreamCalls,
        directory: UpstreamDirectory,
        health: Health,
        telemetry: Telemetry,
    ) -> None:
        self._telemetry = telemetry
        self._admitting = admitting
        self._endings = endings
        self._keeper = keeper
        self._calls = calls
        self._directory = directory
        self._health = health

    async def begin(
        self, incoming: Incoming, is_gone: Callable[[], Awaitable[bool]]
    ) -> Begun | Refusal:
        """Return an answer that has begun, or why there is none; then nothing is held.

        Args:
            incoming: What is asked.
            is_gone: Says whether the caller has left.

        Raises:
            CallerGone: it has.
        """
        avoid = self._directory.models_without(self._health.is_usable)
        attempt, failed = 1, None
        for _ in range(_MOST_TRIES):
            query = incoming.query(attempt, avoid)
            routed = await self._admitting.admit(query, incoming.account, waits=failed is not None)
            if isinstance(routed, Refusal):
                return failed or routed
            hold = routed.hold
            begun = await self._try(incoming, routed)
            if isinstance(begun, Begun):
                return begun
            if begun.is_broken and await is_gone():
                await self._endings.settle(hold, _input_only(incoming, hold))
                raise CallerGone
            self._telemetry.count(Counter.UPSTREAM_FAILURES, label=hold.upstream)
            if begun.is_sick:
                self._health.failed(hold.upstream)
            await self._endings.release(hold)
            if not begun.may_fall_back:
                return begun.refusal
            failed, attempt, avoid = begun.refusal, hold.attempt + 1, avoid | {hold.model}
        return failed or _NOT_CONFIGURED

    async def _try(self, incoming: Incoming, routed: Routed) -> Begun | Failure:
        hold = routed.hold
        async with AsyncExitStack() as stack:
            await stack.enter_async_context(self._keeper.kept(hold))
            try:
                outcome = await self._call(incoming, hold)
            except BaseException:
                await self._endings.release(hold)
                raise
            if isinstance(outcome, Failure):
                return outcome
            return Begun(routed, outcome, stack.pop_all())

    async def _call(self, incoming: Incoming, hold: Hold) -> WholeAnswer | OpenStream | Failure:
        upstream = self._directory.find(hold.upstream)
        if upstream is None:
            return Failure(_NOT_CONFIGURED, may_fall_back=True, is_sick=False)
        outcome = await self._exchange(incoming, hold, upstream)
        for _ in upstream.endpoints[1:_MOST_TRIES]:  # another one may be reached
            if not (isinstance(outcome, Failure) and outcome.is_broken):
                break
            outcome = await self._exchange(incoming, hold, upstream)
        if not isinstance(outcome, Failure):
            self._health.succeeded(upstream.name)
        return outcome

    async def _exchange(
        self, incoming: Incoming, hold: Hold, upstream: Upstream
    ) -> WholeAnswer | OpenStream | Failure:
        dialect, asked = incoming.dialect, incoming.asked
        body = dialect.rewritten(
            incoming.body,
            asked,
            upstream_model=hold.upstream_model,
            output_tokens=hold.granted_output_tokens,
        )
        headers = (*credential_headers(upstream, dialect.protocol), *incoming.passed_headers)
        try:
            answer = await self._calls.post(upstream, dialect.upstream_path, headers, to_json(body))
        except UpstreamBroken:
            return unreachable(upstream)
        if asked.is_stream:
            return await open_stream(answer, dialect, asked, upstream)
        return await read_whole(answer, dialect, upstream)


def credential_headers(upstream: Upstream, protocol: Protocol) -> tuple[tuple[str, str], ...]:
    """Return the headers of every call, with our own credential in the form the protocol wants."""
    headers = [("content-type", "application/json"), ("accept-encoding", "identity")]
    if upstream.secret and protocol is Protocol.MESSAGES:
        headers.append(("x-api-key", upstream.secret))
    elif upstream.secret:
        headers.append(("authorization", f"Bearer {upstream.secret}"))
    return tuple(headers)


def _input_only(incoming: Incoming, hold: Hold) -> Usage:
    """What a request cost whose caller left before the answer: the upstream has read it."""
    return estimated_usage(
        hold, choices=incoming.asked.choices, size_bytes=incoming.size_bytes, output_bytes=0
    )
