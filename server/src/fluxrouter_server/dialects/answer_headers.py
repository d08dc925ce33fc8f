"""Headers of our own on answers: what was charged, by which model, and what is left."""

from typing import Final

from fluxrouter_server.dialects.instants import rfc3339
from fluxrouter_server.dialects.refusals import Refusal
from fluxrouter_server.domain.holds import Receipt
from fluxrouter_server.domain.money import format_usd
from fluxrouter_server.domain.plans import RateLimits
from fluxrouter_server.services.routing_service import Routed

__all__ = ["HeaderList", "answer_headers", "refusal_headers"]

#: Names in lower case and values, as ASGI has them.
HeaderList = list[tuple[bytes, bytes]]

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
    headers += _rate_headers(routed.rate_limits)
    if hold.tier is not None:
        headers.append((b"x-flux-tier", _text(hold.tier)))
    if hold.would_deny:
        headers.append((b"x-flux-would-deny", _text(hold.would_deny.lower())))
    if receipt is not None:
        headers.append((b"x-flux-cost-usd", _text(format_usd(receipt.billed_nano_usd))))
    return headers


def _rate_headers(rates: RateLimits) -> HeaderList:
    """Return OpenAI's headers for what is known of the account's rates after an admission.

    The limit is what may come at once. How much of it is left only the store knows, but where one
    request is all, that was this one.
    """
    headers = []
    if rates.request_burst is not None and rates.requests_per_second:
        headers.append((b"x-ratelimit-limit-requests", _text(str(rates.request_burst))))
        if rates.request_burst == 1:
            headers.append((b"x-ratelimit-remaining-requests", b"0"))
            wait_ms = -(-1000 // rates.requests_per_second)
            headers.append((b"x-ratelimit-reset-requests", _text(f"{wait_ms}ms")))
    if rates.token_burst is not None:
        headers.append((b"x-ratelimit-limit-tokens", _text(str(rates.token_burst))))
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
