"""Headers of our own on answers: what was charged, by which model, and what is left."""

from typing import Final

from fluxrouter_server.dialects.instants import rfc3339
from fluxrouter_server.dialects.refusals import Refusal
from fluxrouter_server.domain.holds import Receipt
from fluxrouter_server.domain.money import format_usd
from fluxrouter_server.domain.pace import requests_left, tokens_left
from fluxrouter_server.services.routing_service import Routed

__all__ = ["HeaderList", "answer_headers", "refusal_headers"]

#: Names in lower case and values, as ASGI has them.
HeaderList = list[tuple[bytes, bytes]]

_MICROSECONDS_PER_MS: Final = 1_000
#: What is used up, by the code of the refusal.
_RATES: Final = {"rate_limited": b"requests", "token_rate_limited": b"tokens"}
JSON: Final = (b"content-type", b"application/json")


def answer_headers(routed: Routed, asked_model: str, receipt: Receipt | None) -> HeaderList:
    """Return the headers of an answer; a streamed one has no receipt yet, and so no cost."""
    hold = routed.hold
    left = hold.headroom_nano_usd if receipt is None else receipt.headroom_nano_usd
    headers = [
        (b"x-flux-request-id", _text(hold.request_id)),
        (b"x-flux-model", _text(hold.model)),
        (b"x-flux-original-model", _text(asked_model)),
        (b"x-flux-routed", b"true" if hold.model != asked_model else b"false"),
        (b"x-flux-lane", _text(hold.lane)),
        (b"x-flux-remaining-usd", _text(format_usd(left))),
        (b"x-flux-reset", _text(rfc3339(hold.period_end_us))),
    ]
    headers += _rate_headers(routed)
    if hold.tier is not None:
        headers.append((b"x-flux-tier", _text(hold.tier)))
    if hold.would_deny:
        headers.append((b"x-flux-would-deny", _text(hold.would_deny.lower())))
    if receipt is not None:
        headers.append((b"x-flux-cost-usd", _text(format_usd(receipt.billed_nano_usd))))
    return headers


def _rate_headers(routed: Routed) -> HeaderList:
    """Return OpenAI's headers for what the admission left of the account's rates."""
    if routed.pace is None:
        return []
    headers = []
    for kind, left in (
        (b"requests", requests_left(routed.rate_limits, routed.pace)),
        (b"tokens", tokens_left(routed.rate_limits, routed.pace)),
    ):
        if left is not None:
            reset_ms = -(-left.reset_us // _MICROSECONDS_PER_MS)
            headers += [
                (b"x-ratelimit-limit-" + kind, b"%d" % left.limit),
                (b"x-ratelimit-remaining-" + kind, b"%d" % left.remaining),
                (b"x-ratelimit-reset-" + kind, b"%dms" % reset_ms),
            ]
    return headers


def refusal_headers(refusal: Refusal, request_id: str) -> HeaderList:
    """Return the headers of an error; SDKs obey `x-should-retry` and `retry-after`."""
    headers = [JSON]
    if request_id:
        headers.append((b"x-flux-request-id", _text(request_id)))
    if refusal.retry_after_seconds is not None:
        headers.append((b"retry-after", _text(str(refusal.retry_after_seconds))))
        kind = _RATES.get(refusal.code)
        if kind is not None:
            headers.append((b"x-ratelimit-remaining-" + kind, b"0"))
            reset = _text(f"{refusal.retry_after_seconds}s")
            headers.append((b"x-ratelimit-reset-" + kind, reset))
    if refusal.should_retry is not None:
        headers.append((b"x-should-retry", b"true" if refusal.should_retry else b"false"))
    return headers


def _text(text: str) -> bytes:
    """A value that cannot break out of its header, whatever a caller sent as a name."""
    if text.isascii() and text.isprintable():
        return text.encode("ascii")
    return "".join(c if c.isprintable() and c.isascii() else "?" for c in text).encode("ascii")
