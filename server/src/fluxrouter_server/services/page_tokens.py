"""Tokens for the next page of a list. They are opaque, and bound to the list that they are of."""

from base64 import urlsafe_b64decode, urlsafe_b64encode
from hashlib import sha256

# Enough to tell a token of another list or a mistyped one. Whoever forges one sees a page that he
# might have asked for anyway.
_TAG_BYTES = 9


def make_token(query: str, after: str) -> str:
    """Return the token of what comes after that name in the list that `query` describes."""
    return urlsafe_b64encode(_tag(query, after) + after.encode()).decode("ascii")


def read_token(query: str, token: str) -> str | None:
    """Return the name after which the page begins; None where the token is not of this list."""
    try:
        data = urlsafe_b64decode(token.encode("ascii"))
        after = data[_TAG_BYTES:].decode()
    except ValueError:  # covers what is no ASCII, no base64 and no UTF-8
        return None
    return after if data[:_TAG_BYTES] == _tag(query, after) else None


def _tag(query: str, after: str) -> bytes:
    return sha256(f"{len(query)}:{query}{after}".encode()).digest()[:_TAG_BYTES]
