"""SIGTERM and SIGINT: the first one asks for an orderly end, a second one for a quick one."""

import asyncio
import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any, Final

import structlog

__all__ = ["StopSignals"]

_log = structlog.get_logger(__name__)

_SIGNALS: Final = (signal.SIGTERM, signal.SIGINT)


class StopSignals:
    """Listens for signals inside of `listening`, in the task that runs the server.

    Attributes:
        on_first: What the first signal does. Until somebody sets it the server is starting, and is
            cancelled.
    """

    def __init__(self) -> None:
        self._task: asyncio.Task[Any] | None = None
        self._count = 0
        self.on_first: Callable[[], None] | None = None

    @property
    def came(self) -> bool:
        """Whether there was a signal."""
        return self._count > 0

    @contextmanager
    def listening(self) -> Iterator[None]:
        """Takes signals until left."""
        loop = asyncio.get_running_loop()
        self._task = asyncio.current_task()
        for number in _SIGNALS:
            loop.add_signal_handler(number, self._take, number)
        try:
            yield
        finally:
            for number in _SIGNALS:
                loop.remove_signal_handler(number)

    def _take(self, number: signal.Signals) -> None:
        self._count += 1
        _log.info("stop_signal", signal=number.name)
        if self._count == 1 and self.on_first is not None:
            self.on_first()
        elif self._task is not None:
            self._task.cancel()
