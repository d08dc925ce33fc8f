"""One pipelined connection to the store, as cheap as Python allows.

General clients cost more CPU per command than the script they call. This one does four things: it
packs a command with hiredis, collects what is issued until the replies to the last write are in (so
the busier a store is, the larger its batches), parses replies with hiredis, and resolves futures in
the order of their commands. It keeps no state about retries or time: a caller that gives up cancels
or fails its future, and the late reply is dropped.

Promise: a call fails with `CommandNotSent` only if none of its bytes were given to the operating
system or its buffers; once they were, and no reply came, with `CommandOutcomeUnknown`.
"""

import asyncio
import socket
import ssl
from collections import deque
from collections.abc import Callable
from typing import Final, cast

import hiredis

from fluxrouter_server.store.addresses import StoreAddress
from fluxrouter_server.store.errors import (
    CommandNotSent,
    CommandOutcomeUnknown,
    StoreUnsuitable,
)
from fluxrouter_server.store.replies import Command, ErrorReply, Reply, classify

__all__ = [
    "MAX_PENDING",
    "MAX_UNSENT_BYTES",
    "MORE",
    "StoreConnection",
    "open_connection",
    "pack",
]

MAX_PENDING: Final = 20_000
"""Calls that may wait for their replies: two seconds of work for the fastest store measured."""

MAX_UNSENT_BYTES: Final = 32 * 1024 * 1024
"""Bytes that may wait for a store that does not read: some 20,000 commands of 1.5 KB."""

_WRITE_BUFFER_BYTES: Final = 256 * 1024
"""What the transport may hold: a whole batch, so that a healthy store never pauses the writer, and
little enough that most commands of a hung store are still known as not sent."""

MORE: Final = object()
"""What the parser returns for an incomplete reply."""

pack = cast(
    "Callable[[Command], bytes]", hiredis.pack_command
)  # its stub takes one-word commands only
"""Makes the bytes of a command."""


class StoreConnection(asyncio.Protocol):
    """A connection that takes commands at any time and answers them in order.

    Args:
        address: Named in errors.
        on_lost: Called once, when the connection has ended for whatever reason.
        max_pending: Bound on calls without a reply.
        max_unsent_bytes: Bound on bytes that wait until the store reads again.
    """

    def __init__(
        self,
        address: StoreAddress,
        *,
        on_lost: Callable[[], None] | None = None,
        max_pending: int = MAX_PENDING,
        max_unsent_bytes: int = MAX_UNSENT_BYTES,
    ) -> None:
        self._address = address
        self._on_lost = on_lost
        self._max_pending = max_pending
        self._max_unsent_bytes = max_unsent_bytes
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._reader = hiredis.Reader(
            protocolError=hiredis.ProtocolError, replyError=ErrorReply, notEnoughData=MORE
        )
        self._sent: deque[asyncio.Future[Reply]] = deque()
        self._unsent: list[asyncio.Future[Reply]] = []
        self._unsent_words: list[bytes] = []
        self._unsent_bytes = 0
        self._flush_is_scheduled = False
        self._is_paused = False
        self._has_received = False
        self.is_closed = False

    def call(self, command: Command) -> asyncio.Future[Reply]:
        """Issues a command; it leaves with all others of this turn of the event loop.

        Returns:
            A future of the reply. It fails with `ErrorReply` if the store answers an error, with
            `CommandNotSent` or `CommandOutcomeUnknown` if the connection ends first. Cancelling it
            before the command has left keeps the command from being sent.

        Raises:
            CommandNotSent: The connection has ended, or too much waits already.
        """
        if self.is_closed:
            raise CommandNotSent(
                f"store {self._address}: the connection has ended", may_repeat=True
            )
        packed = pack(command)
        if (
            len(self._sent) + len(self._unsent) >= self._max_pending
            or self._unsent_bytes + len(packed) > self._max_unsent_bytes
        ):
            raise self._overload(len(packed))
        future: asyncio.Future[Reply] = self._loop.create_future()
        self._unsent.append(future)
        self._unsent_words.append(packed)
        self._unsent_bytes += len(packed)
        if not self._flush_is_scheduled:
            self._flush_is_scheduled = True
            self._loop.call_soon(self._flush)
        return future

    def unsent(self) -> set[asyncio.Future[Reply]]:
        """The calls of which no byte has left this process yet."""
        return set(self._unsent)

    def has_received(self) -> bool:
        """Whether anything came from the store since this was last asked."""
        received, self._has_received = self._has_received, False
        return received

    def abort(self) -> None:
        """Ends the connection at once; what waits for a reply fails now."""
        transport, self._transport = self._transport, None
        if transport is not None:
            transport.abort()
        self._end("the connection was closed")

    # The rest is called by the event loop.

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keeps the transport (asyncio.Protocol)."""
        self._transport = cast("asyncio.Transport", transport)
        self._transport.set_write_buffer_limits(high=_WRITE_BUFFER_BYTES)

    def connection_lost(self, exc: Exception | None) -> None:
        """Fails whatever waits (asyncio.Protocol)."""
        self._transport = None
        self._end(f"the connection was lost ({exc})" if exc else "the store closed the connection")

    def pause_writing(self) -> None:
        """Holds commands back while the store does not read (asyncio.Protocol)."""
        self._is_paused = True

    def resume_writing(self) -> None:
        """Sends what was held back (asyncio.Protocol)."""
        self._is_paused = False
        self._flush()

    def data_received(self, data: bytes) -> None:
        """Resolves futures in the order of their commands (asyncio.Protocol)."""
        self._has_received = True
        reader, sent = self._reader, self._sent
        try:
            reader.feed(data)
            while (reply := reader.gets()) is not MORE:
                future = sent.popleft()
                if future.done():
                    continue  # its caller gave up
                if type(reply) is ErrorReply:
                    future.set_exception(reply)
                else:
                    future.set_result(reply)
        except (hiredis.ProtocolError, IndexError) as error:
            # Replies can no longer be matched to commands.
            self._end(f"the store sent what is no reply to a command ({error})")
            self.abort()
            return
        if not sent:
            self._flush()

    def _flush(self) -> None:
        self._flush_is_scheduled = False
        transport = self._transport
        if transport is None or self._is_paused or self._sent or not self._unsent:
            return
        futures, words = self._unsent, self._unsent_words
        self._unsent, self._unsent_words, self._unsent_bytes = [], [], 0
        if any(future.done() for future in futures):
            wanted = [n for n, future in enumerate(futures) if not future.done()]
            futures, words = [futures[n] for n in wanted], [words[n] for n in wanted]
        self._sent.extend(futures)
        transport.write(b"".join(words))

    def _overload(self, packed_bytes: int) -> CommandNotSent:
        return CommandNotSent(
            f"store {self._address}: too much waits already "
            f"({len(self._sent) + len(self._unsent)} calls, {self._unsent_bytes} bytes unsent; "
            f"this command adds {packed_bytes}, the bounds are {self._max_pending} calls and "
            f"{self._max_unsent_bytes} bytes); send less at once, or smaller commands",
            is_outage=False,
        )

    def _end(self, why: str) -> None:
        if self.is_closed:
            return
        self.is_closed = True
        sent, self._sent = self._sent, deque()
        unsent, self._unsent, self._unsent_words = self._unsent, [], []
        for future in sent:
            if not future.done():
                future.set_exception(
                    CommandOutcomeUnknown(
                        f"store {self._address}: {why} before the reply came; "
                        "the command may have been executed"
                    )
                )
        for future in unsent:
            if not future.done():
                future.set_exception(
                    CommandNotSent(
                        f"store {self._address}: {why} before the command left", may_repeat=True
                    )
                )
        if self._on_lost is not None:
            self._on_lost()


async def open_connection(
    address: StoreAddress,
    *,
    tls: ssl.SSLContext | None = None,
    on_lost: Callable[[], None] | None = None,
    max_pending: int = MAX_PENDING,
    max_unsent_bytes: int = MAX_UNSENT_BYTES,
    kind: Callable[..., StoreConnection] = StoreConnection,
) -> StoreConnection:
    """Connects and authenticates. The caller bounds the wait.

    Args:
        address: Where, and as whom.
        tls: How to verify the store and what to show it; default: the system's authorities. Used
            only where the address says TLS.
        on_lost: See `StoreConnection`.
        max_pending: See there.
        max_unsent_bytes: See there.
        kind: Which class of connection to make.

    Raises:
        OSError: Nobody listens there, or TLS failed.
        StoreUnsuitable: The user or password was refused.
        StoreUnavailable: The connection ended while authenticating.
    """
    loop = asyncio.get_running_loop()

    def build() -> StoreConnection:
        return kind(
            address, on_lost=on_lost, max_pending=max_pending, max_unsent_bytes=max_unsent_bytes
        )

    if address.path:
        _, connection = await loop.create_unix_connection(build, address.path)
    else:
        context = (tls or ssl.create_default_context()) if address.tls else None
        transport, connection = await loop.create_connection(
            build, address.host, address.port, ssl=context
        )
        # Finds out about a peer that vanished while nothing was being asked.
        transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    try:
        await _authenticate(connection, address)
    except BaseException:
        connection.abort()
        raise
    return connection


async def _authenticate(connection: StoreConnection, address: StoreAddress) -> None:
    if not address.password:
        return
    user = (address.username,) if address.username else ()
    try:
        await connection.call(("AUTH", *user, address.password))
    except ErrorReply as reply:
        raise StoreUnsuitable(f"store {address}: {classify(reply)}") from None
