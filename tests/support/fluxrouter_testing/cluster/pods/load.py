"""Sends requests over several connections until standard input ends; counts what becomes of them.

Prints a line each second, and at the end one with the same fields: requests served and money billed
by way, and every failure.
"""

import asyncio
import json
import sys
from collections import Counter
from collections.abc import Awaitable, Callable
from contextlib import AsyncExitStack
from functools import partial
from time import time
from typing import Final

from fluxrouter_testing.cluster.pods.calls import (
    Outcome,
    by_grpc,
    by_http,
    grpc_channel,
    http_session,
    read_order,
)

_CONNECTIONS: Final = 4  # of each way
_PAUSE_SECONDS: Final = 0.2
_MOST_FAILURES_TOLD: Final = 20


class Count:
    """What came of the requests so far."""

    def __init__(self) -> None:
        self.served: Counter[str] = Counter()
        self.billed_nano_usd = 0
        self.failed = 0
        self.failures: list[str] = []

    def add(self, way: str, outcome: Outcome) -> None:
        """Counts one."""
        self.billed_nano_usd += outcome.billed_nano_usd
        if not outcome.refusal:
            self.served[way] += 1
            return
        self.failed += 1
        if len(self.failures) < _MOST_FAILURES_TOLD:
            self.failures.append(f"{time():.1f} {way} {outcome.status} {outcome.refusal}")

    def tell(self) -> None:
        """Prints all of it."""
        print(
            json.dumps(
                {
                    "served": self.served.total(),
                    **self.served,
                    "billed_nano_usd": self.billed_nano_usd,
                    "failed": self.failed,
                    "failures": self.failures,
                }
            ),
            flush=True,
        )


async def main() -> None:
    """Runs all connections until told to end, and lets each finish its request."""
    order = read_order()
    count, ended = Count(), asyncio.Event()
    async with AsyncExitStack() as stack, asyncio.TaskGroup() as tasks:
        for _ in range(_CONNECTIONS):
            channel = await stack.enter_async_context(grpc_channel(order, order.grpc))
            session = await stack.enter_async_context(http_session(order))
            tasks.create_task(_repeat("grpc", partial(by_grpc, order, channel), count, ended))
            tasks.create_task(_repeat("http", partial(by_http, order, session), count, ended))
        tasks.create_task(_tell(count, ended))
        await asyncio.to_thread(sys.stdin.read)
        ended.set()
    count.tell()


async def _repeat(
    way: str, call: Callable[[], Awaitable[Outcome]], count: Count, ended: asyncio.Event
) -> None:
    while not ended.is_set():
        count.add(way, await call())
        await asyncio.sleep(_PAUSE_SECONDS)


async def _tell(count: Count, ended: asyncio.Event) -> None:
    while not ended.is_set():
        count.tell()
        await asyncio.sleep(1)


if __name__ == "__main__":
    asyncio.run(main())
