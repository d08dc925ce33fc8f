"""A client that works in a task of its own for as long as it is used."""

import asyncio
from abc import ABC, abstractmethod
from typing import NoReturn, Self

__all__ = ["RunsInBackground"]


class RunsInBackground(ABC):
    """Runs as `async with …`, or by `run` in a TaskGroup. It belongs to one event loop."""

    def __init__(self) -> None:
        self._task: asyncio.Task[NoReturn] | None = None

    @abstractmethod
    async def run(self) -> NoReturn:
        """Keeps the connections until cancelled; on return all calls have ended."""

    async def __aenter__(self) -> Self:
        """Starts to connect; does not wait for it."""
        self._task = asyncio.create_task(self.run(), name="store-client")
        return self

    async def __aexit__(self, *exc_info: object) -> None:
        """Ends the connections; calls that wait fail."""
        if self._task is not None:
            task, self._task = self._task, None
            task.cancel()
            await asyncio.wait([task])
            if not task.cancelled():
                task.result()  # it never returns: this raises what ended it
