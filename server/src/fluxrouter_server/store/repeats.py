"""When a call that failed is tried again, how long is waited before that, and how one is let go."""

import asyncio
from collections.abc import Iterable
from typing import Final

from fluxrouter_server.store.errors import CallFailed, StoreError, StoreNotReady
from fluxrouter_server.store.replies import ErrorReply, Reply, classify
from fluxrouter_server.store.scripts import Script

__all__ = [
    "FIRST_PAUSE_SECONDS",
    "abandon",
    "explain",
    "failed",
    "is_unknown_script",
    "may_repeat",
    "next_pause",
]

FIRST_PAUSE_SECONDS: Final = 0.005
"""Before the first repeat; it doubles. Slots move and connections return within milliseconds."""

_LONGEST_PAUSE_SECONDS: Final = 0.04
"""A handful of tries fit into the usual wait of 200 ms."""


def next_pause(seconds: float) -> float:
    """The pause after one of so many seconds."""
    return min(2 * seconds, _LONGEST_PAUSE_SECONDS)


def explain(error: ErrorReply | CallFailed, script: Script | None) -> StoreError:
    """What a failure means, in terms of the script's own files."""
    if isinstance(error, CallFailed):
        return error
    return classify(error, None if script is None else script.explain(error.text))


def may_repeat(failure: StoreError) -> bool:
    """Whether nothing was executed, and another try makes sense."""
    return isinstance(failure, CallFailed) and failure.may_repeat


def is_unknown_script(failure: StoreError) -> bool:
    """Whether the server has to be given the script first."""
    return isinstance(failure, StoreNotReady) and failure.code == "NOSCRIPT"


def failed(error: CallFailed) -> asyncio.Future[Reply]:
    """A call that could not be sent, as what awaits it expects."""
    future: asyncio.Future[Reply] = asyncio.get_running_loop().create_future()
    future.set_exception(error)
    return future


def abandon(futures: Iterable[asyncio.Future[Reply]]) -> None:
    """Lets go of calls that nobody will await; no complaint about those that failed meanwhile."""
    for future in futures:
        if not future.cancel() and not future.cancelled():
            future.exception()
