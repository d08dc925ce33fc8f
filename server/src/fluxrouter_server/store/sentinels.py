"""Asks Sentinels where the primary is.

Whoever answers first is asked first the next time. What they say is checked at each connect: a
server that is no primary is refused, and they are asked again.
"""

import asyncio
import ssl
from dataclasses import replace
from typing import Final

from fluxrouter_server.store.addresses import StoreAddress
from fluxrouter_server.store.connection import open_connection
from fluxrouter_server.store.errors import CommandNotSent, StoreError
from fluxrouter_server.store.locations import StoreLocation
from fluxrouter_server.store.replies import ErrorReply, Reply

__all__ = ["SentinelPlace"]

_ANSWER_SECONDS: Final = 0.3
"""A Sentinel that does not answer within it is passed over: the next one knows the same."""


class SentinelPlace:
    """The primary that Sentinels name; a `Place`.

    Args:
        location: The Sentinels, the primary's name, and how to log in to the servers.
        tls: See `open_connection`.
    """

    def __init__(self, location: StoreLocation, *, tls: ssl.SSLContext | None = None) -> None:
        self._location = location
        self._sentinels = list(location.nodes)
        self._tls = tls

    def __str__(self) -> str:
        """The location, for logs and errors."""
        return str(self._location)

    @property
    def may_move(self) -> bool:
        """It does, with each fail-over."""
        return True

    async def find(self) -> StoreAddress:
        """The primary's address as the first Sentinel that answers knows it.

        Raises:
            CommandNotSent: None of them answers, or none knows the name.
        """
        why = []
        for sentinel in list(self._sentinels):
            try:
                async with asyncio.timeout(_ANSWER_SECONDS):
                    found = _read(await self._ask(sentinel))
            except (StoreError, ErrorReply, OSError, TimeoutError) as error:
                why.append(f"{sentinel}: {str(error) or 'no answer in time'}")
                continue
            if found is None:
                why.append(f"{sentinel}: knows no {self._location.primary_name!r}")
                continue
            self._sentinels.remove(sentinel)
            self._sentinels.insert(0, sentinel)
            return replace(self._location.servers, host=found[0], port=found[1])
        raise CommandNotSent(f"store {self}: no Sentinel names a primary ({'; '.join(why)})")

    async def _ask(self, sentinel: StoreAddress) -> Reply:
        connection = await open_connection(sentinel, tls=self._tls)
        try:
            return await connection.call(
                ("SENTINEL", "GET-MASTER-ADDR-BY-NAME", self._location.primary_name)
            )
        finally:
            connection.abort()


def _read(reply: Reply) -> tuple[str, int] | None:
    match reply:
        case [bytes(host), bytes(port)]:
            return host.decode(), int(port)
        case _:
            return None
