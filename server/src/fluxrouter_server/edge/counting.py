"""Anthropic's count of tokens: the upstream counts, and nothing is held or charged."""

from typing import Final

from fluxrouter_server.dialects.incoming import Incoming
from fluxrouter_server.dialects.json_body import to_json
from fluxrouter_server.dialects.refusals import STORE_UNAVAILABLE, Refusal, refusal_of
from fluxrouter_server.domain.denials import Denial
from fluxrouter_server.edge.attempts import credential_headers
from fluxrouter_server.edge.endings import EDGE
from fluxrouter_server.edge.upstream_answers import Failure, read_whole, unreachable
from fluxrouter_server.edge.upstreams import (
    Health,
    UpstreamBroken,
    UpstreamCalls,
    UpstreamDirectory,
)
from fluxrouter_server.services.cap_service import CapService
from fluxrouter_server.services.ports.errors import StoreError

__all__ = ["Counting"]

_NO_UPSTREAM: Final = Refusal(
    503, "no_healthy_model", "the model's upstream is not configured; use another model"
)


class Counting:
    """Counts for callers.

    Args:
        caps: Says which model would answer.
        calls: Calls upstreams.
        directory: Knows them.
        health: Knows who is sick.
    """

    def __init__(
        self,
        caps: CapService,
        *,
        calls: UpstreamCalls,
        directory: UpstreamDirectory,
        health: Health,
    ) -> None:
        self._caps = caps
        self._calls = calls
        self._directory = directory
        self._health = health

    async def count(self, incoming: Incoming) -> bytes | Refusal:
        """Return the upstream's answer, or why there is none."""
        query = incoming.query(1, self._directory.models_without(self._health.is_usable))
        try:
            fit = await self._caps.check(query, incoming.account, EDGE)
        except StoreError:
            return STORE_UNAVAILABLE
        if isinstance(fit, Denial):
            return refusal_of(fit)
        if fit.denial is not None:
            return refusal_of(fit.denial)
        upstream = self._directory.find(fit.candidate.priced.upstream) if fit.candidate else None
        if upstream is None or fit.candidate is None:
            return _NO_UPSTREAM
        body = incoming.dialect.rewritten(
            incoming.body,
            incoming.asked,
            upstream_model=fit.candidate.priced.upstream_model,
            output_tokens=0,
        )
        headers = (
            *credential_headers(upstream, incoming.dialect.protocol),
            *incoming.passed_headers,
        )
        try:
            answer = await self._calls.post(
                upstream, incoming.dialect.upstream_path, headers, to_json(body)
            )
        except UpstreamBroken:
            return unreachable(upstream).refusal
        whole = await read_whole(answer, incoming.dialect, upstream)
        return whole.refusal if isinstance(whole, Failure) else whole.data
