"""Stands in for providers: FluxRouter's own upstream simulator, for all pods of the cluster."""

import asyncio
from typing import Final

from fluxrouter_server.edge.simulator.server import Simulator

_PORT: Final = 8080
_MAX_HEAD_BYTES: Final = 64 * 1024


async def main() -> None:
    """Serves until the pod ends."""
    server = await asyncio.start_server(
        Simulator().serve,
        "0.0.0.0",  # a pod's own address
        _PORT,
        limit=_MAX_HEAD_BYTES,
    )
    await server.serve_forever()


if __name__ == "__main__":
    asyncio.run(main())
