"""Waits for a condition of the world, bounded, instead of sleeping and hoping."""

import asyncio
import time
from collections.abc import Awaitable, Callable, Coroutine
from typing import Any, Final, TypeVar, overload

__all__ = ["eventually", "eventually_async"]

_POLL_SECONDS: Final = 0.005

T = TypeVar("T")


def eventually(predicate: Callable[[], T], timeout_seconds: float = 5.0) -> T:
    """Waits until `predicate` returns something true, and returns it. For tests without a loop.

    Raises:
        AssertionError: It did not within the time; names the last value.
    """
    give_up_at = time.monotonic() + timeout_seconds
    while not (value := predicate()):
        assert time.monotonic() < give_up_at, f"still {value!r} after {timeout_seconds:g} s"
        time.sleep(_POLL_SECONDS)
    return value


@overload
async def eventually_async(
    predicate: Callable[[], Coroutine[Any, Any, T]], timeout_seconds: float = 5.0
) -> T: ...
@overload
async def eventually_async(predicate: Callable[[], T], timeout_seconds: float = 5.0) -> T: ...
async def eventually_async(predicate: Callable[[], Any], timeout_seconds: float = 5.0) -> Any:
    """Waits as `eventually` does, and lets the event loop run. `predicate` may be async.

    Raises:
        AssertionError: It did not within the time; names the last value.
    """
    give_up_at = time.monotonic() + timeout_seconds
    while True:
        outcome = predicate()
        value = await outcome if isinstance(outcome, Awaitable) else outcome
        if value:
            return value
        assert time.monotonic() < give_up_at, f"still {value!r} after {timeout_seconds:g} s"
        await asyncio.sleep(_POLL_SECONDS)
