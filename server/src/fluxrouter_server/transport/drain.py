"""The end of a server, as everything that runs in it may see it coming."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from typing import Any, TypeVar

__all__ = ["Drain"]

T = TypeVar("T")


class Drain:
    """Begins once. Calls with one answer do not look at it: they are finished in any case.

    Streams may go on for ever, so theirs end when it begins; whoever reads them calls again, and
    reaches another replica.
    """

    def __init__(self) -> None:
        self._begun: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    @property
    def has_begun(self) -> bool:
        """Whether no new call should come here."""
        return self._begun.done()

    def begin(self) -> None:
        """Begins it; may be repeated."""
        if not self._begun.done():
            self._begun.set_result(None)

    async def wait(self, timeout_seconds: float | None = None) -> bool:
        """Waits for it to begin, at most that long; says whether it has."""
        await asyncio.wait((self._begun,), timeout=timeout_seconds)
        return self._begun.done()

    async def until(self, items: AsyncIterator[T]) -> AsyncGenerator[T, None]:
        """Yields the items, and ends early when the drain begins."""
        while not self._begun.done():
            following: asyncio.Future[Any] = asyncio.ensure_future(_next(items))
            try:
                await asyncio.wait((following, self._begun), return_when="FIRST_COMPLETED")
                found = following.result() if following.done() else ()
            finally:
                await _cancel(following)
            if not found:
                return
            yield found[0]


async def _next(items: AsyncIterator[T]) -> tuple[T] | tuple[()]:
    try:
        return (await anext(items),)
    except StopAsyncIteration:
        return ()


async def _cancel(task: asyncio.Future[Any]) -> None:
    if not task.done():
        task.cancel()
        await asyncio.wait((task,))
