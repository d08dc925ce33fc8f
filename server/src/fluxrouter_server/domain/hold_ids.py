"""Hold ids: enough of a hold's identity to find it, whichever replica is asked.

A hold id reads `h1.<shard>.<epoch>.<admitted ms, base 36>.<account uid>.<request key>.<attempt>`.
The request key is the first 96 bits of SHA-256 over account uid and request id, base64url: it
stands for the caller's id in the store and keeps hold ids short. Nothing in a hold id is secret,
and nothing in it is believed: the store compares it with the hold that it names.
"""

import re
from base64 import urlsafe_b64encode
from functools import lru_cache
from hashlib import sha256

from fluxrouter_server.domain.ids import AccountUid, HoldId, RequestId
from fluxrouter_server.domain.values import per_call_value

_BASE_36 = "0123456789abcdefghijklmnopqrstuvwxyz"
_PAIRS = tuple(high + low for high in _BASE_36 for low in _BASE_36)
# 12 bytes become 16 characters without padding; 96 bits make an accidental twin inside one account
# less likely than a bit flip in memory.
_REQUEST_KEY_BYTES = 12
# Only the canonical spelling is read (no leading zeros, lower case), so one hold has one id.
# Epochs and instants below 10^15 (ms: 36^10) stay exact in the store's doubles.
_HOLD_ID = re.compile(
    r"h1\.(0|[1-9][0-9]{0,3})\.(0|[1-9][0-9]{0,14})\.(0|[1-9a-z][0-9a-z]{0,9})"
    r"\.([a-z2-7]{16})\.([A-Za-z0-9_-]{16})\.([1-9][0-9]{0,9})"
)
MAX_ATTEMPT = 2**31 - 1


@per_call_value
class HoldRef:
    """The parts of a hold id."""

    shard: int
    epoch: int
    admitted_ms: int
    uid: AccountUid
    request_key: str
    attempt: int


def request_key(uid: AccountUid, request_id: RequestId) -> str:
    """Return the 16 characters that stand for a request inside its account.

    Uids have one length, so the text that is hashed can be split in one way only.
    """
    digest = sha256(f"{uid}/{request_id}".encode()).digest()
    return urlsafe_b64encode(digest[:_REQUEST_KEY_BYTES]).decode("ascii")


def format_hold_id(ref: HoldRef) -> HoldId:
    """Write a hold id; `parse_hold_id` reads it back."""
    admitted = _base_36(ref.admitted_ms)
    return HoldId(
        f"h1.{ref.shard}.{ref.epoch}.{admitted}.{ref.uid}.{ref.request_key}.{ref.attempt}"
    )


def parse_hold_id(text: str) -> HoldRef | None:
    """Read a hold id; None where the text is none, whatever its length."""
    match = _HOLD_ID.fullmatch(text)
    if match is None:
        return None
    shard, epoch, admitted, uid, key, attempt = match.groups()
    if int(attempt) > MAX_ATTEMPT:
        return None
    return HoldRef(
        shard=int(shard),
        epoch=int(epoch),
        admitted_ms=int(admitted, 36),
        uid=AccountUid(uid),
        request_key=key,
        attempt=int(attempt),
    )


# Many holds are admitted in one millisecond where it matters what this costs.
@lru_cache(maxsize=1_024)
def _base_36(number: int) -> str:
    digits = ""
    while number:
        number, pair = divmod(number, len(_PAIRS))
        digits = _PAIRS[pair] + digits
    return digits.lstrip("0") or "0"
