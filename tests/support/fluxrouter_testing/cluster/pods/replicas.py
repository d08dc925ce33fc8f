"""Asks each replica, by its own address, what cap is in force and what was spent.

    replicas.py look|try

With `try`, each is sent a request, too. Prints one line for all.
"""

import asyncio
import json
import sys
from typing import Any, Final

import grpc

from fluxrouter.v1 import cap_pb2
from fluxrouter.v1.cap_pb2_grpc import CapServiceStub
from fluxrouter_testing.cluster.pods.calls import Order, by_grpc, grpc_channel, read_order

#: Free is one request a second.
_PAUSE_SECONDS: Final = 1.05
_CALL_SECONDS: Final = 10.0


async def main(way: str) -> None:
    """Asks them in turn."""
    order = read_order()
    found = []
    for address in order.addresses:
        async with grpc_channel(order, address) as channel:
            about = await _look(order, channel)
            if way == "try":
                about["refusal"] = (await by_grpc(order, channel)).refusal
                await asyncio.sleep(_PAUSE_SECONDS)
        found.append(about)
    print(json.dumps(found))


async def _look(order: Order, channel: grpc.aio.Channel) -> dict[str, Any]:
    caps: Any = CapServiceStub(channel)
    request = cap_pb2.GetSpendRequest()
    answer = await caps.GetSpend(request, metadata=order.metadata, timeout=_CALL_SECONDS)
    return {
        "cap_nano_usd": answer.spend.cap_nano_usd,
        "settled_nano_usd": answer.spend.settled_nano_usd,
    }


if __name__ == "__main__":
    asyncio.run(main(sys.argv[1]))
