"""Sends one request after the other until one is refused for good.

    spend.py grpc|http

Prints how many were served, what was billed, and the refusal.
"""

import asyncio
import json
import sys
from typing import Final

from fluxrouter_testing.cluster.pods.calls import (
    Outcome,
    by_grpc,
    by_http,
    grpc_channel,
    http_session,
    read_order,
)

#: A cap that does not stop must not be tried for ever.
_MOST_REQUESTS: Final = 60
_PAUSE_SECONDS: Final = 1.05
#: What the next second mends: the plan's pace, and upstreams that were just written to the catalog.
_MENDS_ITSELF: Final = frozenset({"rate_limited", "no_healthy_model"})


async def main(way: str) -> None:
    """Sends them, and prints one line."""
    order = read_order()
    served, billed, outcome = 0, 0, Outcome()
    async with http_session(order) as session, grpc_channel(order, order.grpc) as channel:
        for _ in range(_MOST_REQUESTS):
            call = by_http(order, session) if way == "http" else by_grpc(order, channel)
            outcome = await call
            if outcome.refusal and outcome.refusal.lower() not in _MENDS_ITSELF:
                break
            served += not outcome.refusal
            billed += outcome.billed_nano_usd
            await asyncio.sleep(_PAUSE_SECONDS)
    print(
        json.dumps(
            {
                "served": served,
                "billed_nano_usd": billed,
                "refusal": outcome.refusal,
                "status": outcome.status,
            }
        )
    )


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
