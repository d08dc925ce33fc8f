"""Hold ids: enough of a hold's identity to find it, whichever replica is asked.

A hold id reads `h1.<shard>.<epoch>.<admitted ms, base 36>.<account uid>.<request key>.<attempt>`.
The request key is the first 96 bits of SHA-256 over account uid and request id, base64url: it
stands for the caller's id in the store and keeps hold ids short.
"""

from dataclasses import dataclass

from fluxrouter_server.domain.ids import AccountUid, HoldId, RequestId


@dataclass(frozen=True, slots=True)
class HoldRef:
    """The parts of a hold id."""

    shard: int
    epoch: int
    admitted_ms: int
    uid: AccountUid
    request_key: str
    attempt: int


def request_key(uid: AccountUid, request_id: RequestId) -> str:
    """Return the 16 characters that stand for a request inside its account."""
    raise NotImplementedError


def format_hold_id(ref: HoldRef) -> HoldId:
    """Write a hold id."""
    raise NotImplementedError


def parse_hold_id(text: str) -> HoldRef | None:
    """Read a hold id; None where the text is none."""
    raise NotImplementedError
