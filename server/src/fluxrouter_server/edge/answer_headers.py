"""Headers of our own on answers: what was charged, by which model, and what is left."""

from typing import Final

from fluxrouter_server.domain.holds import Hold, Receipt
from fluxrouter_server.domain.money import format_usd
from fluxrouter_server.edge.instants import rfc3339
from fluxrouter_server.edge.refusals import Refusal

__all__ = ["HeaderList", "answer_headers", "refusal_headers"]

#: Names in lower case and values, as ASGI has them.
HeaderList = list[tuple[bytes, bytes]]

JSON: Final = (b"content-type", b"application/json")


def answer_headers(hold: Hold, asked_model: str, receipt: Receipt | None) -> HeaderList:
    """Return the headers of an answer; a streamed one has no receipt yet, and so no cost."""
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
    if hold.tier is not None:
        headers.append((b"x-flux-tier", _text(hold.tier)))
    if hold.would_deny:
        headers.append((b"x-flux-would-deny", _text(hold.would_deny.lower())))
    if receipt is not None:
        headers.append((b"x-flux-cost-usd", _text(format_usd(receipt.billed_nano_usd))))
    return headers


def refusal_headers(refusal: Refusal, request_id: str) -> HeaderList:
    """Return the headers of an error; SDKs obey `x-should-retry` and `retry-after`."""
    headers = [JSON]
    if request_id:
        headers.append((b"x-flux-request-id", _text(request_id)))
    if refusal.retry_after_seconds is not None:
        headers.append((b"retry-after", _text(str(refusal.retry_after_seconds))))
    if refusal.should_retry is not None:
        headers.append((b"x-should-retry", b"true" if refusal.should_retry else b"false"))
    return headers


def _text(text: str) -> bytes:
    """A value that cannot break out of its header, whatever a caller sent as a name."""
    return "".join(c if c.isprintable() and c.isascii() else "?" for c in text).encode("ascii")
