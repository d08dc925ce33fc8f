"""Waits for a store that was just started, and tells people how far it is."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

import structlog

from fluxrouter_server.store.addresses import StoreAddress
from fluxrouter_server.store.connection import open_connection
from fluxrouter_server.store.errors import EmbeddedStoreFailed, StoreUnavailable
from fluxrouter_server.store.replies import ErrorReply
from fluxrouter_server.store.suitability import parse_info

__all__ = ["wait_until_serving"]

_log = structlog.get_logger(__name__)

_POLL_SECONDS: Final = 0.02
"""An empty store serves some 10 ms after its start."""

_LOG_EVERY_SECONDS: Final = 5.0
"""How often a long start says how far it is."""


@dataclass(frozen=True, slots=True)
class _Progress:
    """How far a start is; two that are equal mean that nothing moved."""

    is_serving: bool = False
    loaded_bytes: int = -1
    total_bytes: int = -1


async def wait_until_serving(
    address: StoreAddress, *, is_running: Callable[[], bool], timeout_seconds: float
) -> None:
    """Waits until the store at `address` serves, as long as it makes progress.

    Args:
        address: Where it will listen.
        is_running: Whether its process lives.
        timeout_seconds: Bound on the time without progress, not on the whole.

    Raises:
        EmbeddedStoreFailed: It ended, or made no progress.
    """
    now = asyncio.get_running_loop().time
    last = _Progress()
    moved_at = logged_at = now()
    while is_running():
        progress = await _look(address, timeout_seconds)
        if progress.is_serving:
            return
        if progress != last:
            last, moved_at = progress, now()
        if now() - moved_at > timeout_seconds:
            raise EmbeddedStoreFailed(f"no progress of its start for {timeout_seconds:g} s")
        if now() - logged_at > _LOG_EVERY_SECONDS:
            logged_at = now()
            _log.info(
                "embedded_store_loading",
                loaded_bytes=progress.loaded_bytes,
                total_bytes=progress.total_bytes,
            )
        await asyncio.sleep(_POLL_SECONDS)
    raise EmbeddedStoreFailed("it ended while starting")


async def _look(address: StoreAddress, timeout_seconds: float) -> _Progress:
    try:
        async with asyncio.timeout(timeout_seconds):
            connection = await open_connection(address)
            try:
                info = await connection.call(("INFO", "persistence"))
            finally:
                connection.abort()
    except (OSError, StoreUnavailable, ErrorReply):
        return _Progress()  # does not listen yet
    fields = parse_info(info) if isinstance(info, bytes) else {}
    if fields.get("loading") == "0":
        return _Progress(is_serving=True)
    return _Progress(
        loaded_bytes=int(fields.get("loading_loaded_bytes", -1)),
        total_bytes=int(fields.get("loading_total_bytes", -1)),
    )
