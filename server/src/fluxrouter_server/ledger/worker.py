"""Brings entries from the store's streams into SQL, and takes them out of the store after that.

Promise: an entry leaves the store only after SQL has it for good. Whatever fails in between, it is
delivered again, and SQL takes it once. Any number of workers share the streams.
"""

import asyncio
from collections.abc import Sequence
from typing import Final, NoReturn

import structlog

from fluxrouter_server.services.ports.errors import StoreError
from fluxrouter_server.services.ports.ledger import (
    Backlog,
    LedgerBook,
    LedgerError,
    LedgerStream,
    StreamEntry,
)

__all__ = ["LedgerWorker"]

_log = structlog.get_logger(__name__)

_BATCH: Final = 1_000
"""Entries of one transaction: enough that its commit costs little, few enough that none of its
shards is locked for long."""

_WAIT_SECONDS: Final = 1.0
"""How long a read of empty streams blocks; what comes meanwhile ends it at once."""

_RECLAIM_SECONDS: Final = 5.0
"""Between looks for what dead workers were given."""

_GATHER_SECONDS: Final = 0.1
"""Pause after a read that found little: each round costs a commit to disk, whatever it carries, and
an entry that is a tenth of a second late harms nobody."""

_LONGEST_PAUSE_SECONDS: Final = 5.0
_FIRST_PAUSE_SECONDS: Final = 0.1
_NOTHING_WAITS: Final = Backlog(0, 0.0)


class LedgerWorker:
    """One worker. `run` it in a task of its own.

    Args:
        stream: Where entries come from; its connection is this worker's alone.
        book: Where they go.

    Attributes:
        written: Entries that were new to SQL since the start.
        backlog: What waited in the streams when it was last counted.
        problem: Why nothing moves at the moment; None while all is well.
    """

    def __init__(self, *, stream: LedgerStream, book: LedgerBook) -> None:
        self._stream = stream
        self._book = book
        self.written = 0
        self.backlog = _NOTHING_WAITS
        self.problem: str | None = None

    async def run(self) -> NoReturn:
        """Move entries until cancelled; failures of store or database are waited out."""
        pause = _FIRST_PAUSE_SECONDS
        while True:
            try:
                await self._book.open()
                await self._stream.open()
                while True:
                    await self._work()
                    pause = _FIRST_PAUSE_SECONDS
            except (StoreError, LedgerError) as error:
                self._note(str(error))
            except Exception as error:  # noqa: BLE001 - a defect must not end what empties the store
                _log.exception("ledger_worker_failed")
                self._note(f"{type(error).__name__}: {error}")
            await asyncio.sleep(pause)
            pause = min(2 * pause, _LONGEST_PAUSE_SECONDS)

    async def drain(self) -> int:
        """Move what waits now, and return when nothing is left; for orderly ends and for tests.

        Returns:
            How many entries were new to SQL.

        Raises:
            StoreError: The store does not answer.
            LedgerError: The database does not.
        """
        await self._stream.open()
        before = self.written
        while found := await self._stream.read(wait_seconds=0.001):
            await self._move(found)
        self.backlog = await self._stream.backlog()
        return self.written - before

    async def _work(self) -> None:
        """Move what waits; now and then look for what was left behind."""
        loop = asyncio.get_running_loop()
        await self._move(await self._stream.reclaim())
        self.backlog = await self._stream.backlog()
        until = loop.time() + _RECLAIM_SECONDS
        while loop.time() < until:
            found = await self._stream.read(wait_seconds=_WAIT_SECONDS)
            await self._move(found)
            if self.problem is not None:
                _log.info("ledger_worker_recovered")
                self.problem = None
            if 0 < len(found) < _BATCH:
                await asyncio.sleep(_GATHER_SECONDS)

    async def _move(self, found: Sequence[StreamEntry]) -> None:
        for first in range(0, len(found), _BATCH):
            batch = found[first : first + _BATCH]
            self.written += await self._book.append([item.entry for item in batch])
            await self._stream.acknowledge(batch)

    def _note(self, problem: str) -> None:
        if self.problem is None:
            _log.warning("ledger_worker_waits", problem=problem)
        self.problem = problem
