"""Instants as HTTP's texts have them."""

from datetime import UTC, datetime, timedelta
from functools import lru_cache
from typing import Final

__all__ = ["rfc3339"]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)


@lru_cache(maxsize=256)  # nearly all requests of a moment tell the same end of a month
def rfc3339(instant_us: int) -> str:
    """Return an instant in µs since 1970 as `2026-01-31T00:00:00Z`, whole seconds, rounded up."""
    return (_EPOCH + timedelta(seconds=-(-instant_us // 1_000_000))).strftime("%Y-%m-%dT%H:%M:%SZ")
