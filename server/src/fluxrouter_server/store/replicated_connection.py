"""A connection whose answers stand on all replicas: one WAIT for each batch of commands.

What one turn of the event loop issues leaves in one write, followed by a small write of our own and
a WAIT. Replies are held back until the WAIT says that so many replicas have all of it; if it says
fewer, the outcome of the batch is unknown (docs/protocol.md §10).

The write of our own is what makes WAIT cover reads: WAIT looks at the last write of its connection,
so that after a replay, which writes nothing, it would vouch for what another connection wrote and
no replica has yet. Commands without a key, such as PING, assert nothing and wait for nothing.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, Final

import hiredis

from fluxrouter_server.store.addresses import StoreAddress
from fluxrouter_server.store.connection import (
    MAX_PENDING,
    MAX_UNSENT_BYTES,
    MORE,
    StoreConnection,
    open_connection,
    pack,
)
from fluxrouter_server.store.errors import CommandOutcomeUnknown
from fluxrouter_server.store.keys import SHARDS, wait_key
from fluxrouter_server.store.replies import Command, ErrorReply, Reply
from fluxrouter_server.store.slots import shard_named

__all__ = ["ReplicatedConnection", "Replication"]

_BARRIER: Final = "#!lua flags=allow-oom\nreturn redis.call('SET', KEYS[1], '')"
"""A write that a full memory does not refuse, as settlements are not refused."""

_BARRIERS: Final = tuple(pack(("EVAL", _BARRIER, 1, wait_key(shard))) for shard in range(SHARDS))
_ASKING: Final = pack(("ASKING",))


@dataclass(frozen=True, slots=True)
class Replication:
    """Who must have a decision before it is answered.

    Attributes:
        replicas: How many.
        wait_seconds: How long they may take; above 0, as WAIT takes 0 for ever.
    """

    replicas: int
    wait_seconds: float

    async def connect(
        self,
        address: StoreAddress,
        *,
        tls: ssl.SSLContext | None = None,
        on_lost: Callable[[], None] | None = None,
        max_pending: int = MAX_PENDING,
        max_unsent_bytes: int = MAX_UNSENT_BYTES,
    ) -> StoreConnection:
        """Makes such a connection; otherwise as `open_connection`."""

        def build(*args: Any, **options: Any) -> StoreConnection:  # noqa: ANN401 - passed on
            return ReplicatedConnection(*args, replication=self, **options)

        return await open_connection(
            address,
            tls=tls,
            on_lost=on_lost,
            max_pending=max_pending,
            max_unsent_bytes=max_unsent_bytes,
            kind=build,
        )


@dataclass(slots=True)
class _Batch:
    """What left in one write.

    Attributes:
        replies_due: Of its commands.
        others_due: Of what was added: an ASKING where the batch has one, the barrier, the WAIT.
        is_barred: Whether there is a barrier, without which replies may be handed out.
        held: Replies that came, with who waits for them.
        is_written: Whether the barrier was.
    """

    replies_due: int
    others_due: int
    is_barred: bool
    held: "list[tuple[asyncio.Future[Reply], Reply | ErrorReply]]" = field(default_factory=list)
    is_written: bool = False


class ReplicatedConnection(StoreConnection):
    """As `StoreConnection`; from `begin_to_wait` on its answers stand on the replicas."""

    def __init__(self, *args: Any, replication: Replication, **options: Any) -> None:  # noqa: ANN401
        """Takes what `StoreConnection` takes, and who must have a decision."""
        super().__init__(*args, **options)
        self._replicas = replication.replicas
        self._wait = pack(
            ("WAIT", replication.replicas, max(1, int(replication.wait_seconds * 1000)))
        )
        self._batches: deque[_Batch] = deque()
        self._is_waiting = False
        self._shard: int | None = None
        self._asks = False

    def begin_to_wait(self) -> None:
        """The greeting is over: what comes now is decisions."""
        self._is_waiting = True

    def call(self, command: Command) -> asyncio.Future[Reply]:
        """As `StoreConnection.call`; fails with `CommandOutcomeUnknown` where replicas are late."""
        future = super().call(command)
        if self._is_waiting:
            shard = shard_named(command)
            if shard is not None:
                self._shard = shard
            self._asks = self._asks or command[0] == "ASKING"
        return future

    def data_received(self, data: bytes) -> None:
        """Holds replies until their batch is on the replicas (asyncio.Protocol)."""
        self._has_received = True
        try:
            self._reader.feed(data)
            while (reply := self._reader.gets()) is not MORE:
                self._take(reply)
        except (hiredis.ProtocolError, IndexError) as error:
            # Replies can no longer be matched to commands.
            self._end(f"the store sent what is no reply to a command ({error})")
            self.abort()
            return
        if not self._batches:
            self._flush()

    def _take(self, reply: "Reply | ErrorReply") -> None:
        batch = self._batches[0]
        if batch.replies_due:
            batch.replies_due -= 1
            batch.held.append((self._sent.popleft(), reply))
        else:
            batch.others_due -= 1
            if batch.others_due == 1:
                batch.is_written = reply == b"OK"
        if not batch.replies_due and not batch.others_due:
            self._batches.popleft()
            self._conclude(batch, reply)

    def _conclude(self, batch: _Batch, last: "Reply | ErrorReply") -> None:
        """Hands out the replies of a batch that is complete; `last` is what came last."""
        stands = True
        if batch.is_barred:
            stands = batch.is_written and isinstance(last, int) and last >= self._replicas
        for future, reply in batch.held:
            if future.done():
                continue  # its caller gave up
            if isinstance(reply, ErrorReply):
                future.set_exception(reply)  # asserts nothing
            elif stands:
                future.set_result(reply)
            else:
                future.set_exception(self._not_replicated(last))

    def _not_replicated(self, last: "Reply | ErrorReply") -> CommandOutcomeUnknown:
        found = f"{last} have it" if isinstance(last, int) else str(last)
        return CommandOutcomeUnknown(
            f"store {self._address}: not on {self._replicas} replicas in time ({found}); the "
            "command was executed, and a fail-over may undo it"
        )

    def _flush(self) -> None:
        before = len(self._sent)
        super()._flush()
        if self._unsent:
            return  # the store does not read; it goes on where it does again
        count = len(self._sent) - before
        shard, self._shard = self._shard, None
        asks, self._asks = self._asks, False
        if not count:
            return
        if shard is None:
            self._batches.append(_Batch(count, 0, is_barred=False))
            return
        self._batches.append(_Batch(count, 2 + asks, is_barred=True))
        words = (*((_ASKING,) if asks else ()), _BARRIERS[shard], self._wait)
        if self._transport is not None:
            self._transport.write(b"".join(words))

    def _end(self, why: str) -> None:
        if not self.is_closed:
            # What is held was executed, and nobody knows where.
            held = [future for batch in self._batches for future, _ in batch.held]
            self._batches.clear()
            self._sent.extendleft(reversed(held))
        super()._end(why)
