"""Knows which data every shard should hold; finds out at the start, and again when it is gone.

The judgement itself, and why it is the safe one, is in `layout`.
"""

import asyncio
from collections.abc import Hashable
from typing import Final

import structlog

from fluxrouter_server.services.ports.errors import StoreUnavailable
from fluxrouter_server.store.initialisation import initialise, survey
from fluxrouter_server.store.keys import SHARDS, USUAL_LAYOUT, MetaField, meta_key
from fluxrouter_server.store.layout import (
    NO_MARKER,
    ClockKind,
    Fenced,
    Initialise,
    Ready,
    ShardLife,
    Verdict,
    judge,
)
from fluxrouter_server.store.runners import StoreRunner
from fluxrouter_server.store.scripts import ScriptLibrary
from fluxrouter_server.store.witness import Witness

__all__ = ["LayoutKeeper"]

_log = structlog.get_logger(__name__)

_NOTHING_KNOWN: Final = (ShardLife(0, NO_MARKER),) * SHARDS


_UNCOMPARED: Final = (
    "The store was restarted or failed over, and is compared with the ledger before anything is "
    "decided upon it; this ends by itself, where the ledger's database answers"
)


class LayoutKeeper:
    """Knows the marker of every shard. `open` it before the store is used, `refresh` it often.

    Args:
        client: Connected to the store.
        scripts: All there are.
        clock: Whose time this server's scripts use.
        witness: Of an embedded store; None for an external one.
        may_initialise: An external store without any data is a new one. An embedded one that has
            neither data nor a witness always is.
        layout: See `HoldTiming.layout`.
        is_known: The ledger knows this store: without any data it has lost it, and is never new.
            None: the ledger cannot tell, so nobody can.

    Attributes:
        markers: The marker to expect, by shard.
        epochs: The epochs of these lives, by shard; 0 where nothing is known.
        fence: Why some or all shards cannot be used and what to do; None while all can.
        progress: What is being done about it, where something is.
        compared: The life of the store that was compared with the ledger last, as the store has it;
            None where nobody compares it.
        is_compared: Whether the store is in that life.
    """

    def __init__(
        self,
        client: StoreRunner,
        scripts: ScriptLibrary,
        *,
        clock: ClockKind,
        witness: Witness | None = None,
        layout: str = USUAL_LAYOUT,
        may_initialise: bool = False,
        is_known: bool | None = False,
    ) -> None:
        self._client = client
        self._scripts = scripts
        self._clock = clock
        self._layout = layout
        self._witness = witness
        self._may_initialise = (may_initialise or witness is not None) and is_known is not True
        self._is_known = is_known
        self._known: tuple[ShardLife, ...] | None = None
        self._has_lost = False
        self.progress: str | None = None
        self.compared: str | None = None
        self.is_compared = True
        self.fence: str | None = "The store's layout has not been read yet; try again"
        self._expect(_NOTHING_KNOWN)
        client.watch_life(self._meet_life)

    async def open(self) -> None:
        """Read the shards' identities; a new store is initialised.

        Where data was lost this returns, and `fence` says so: the scripts then answer LOST for the
        shards concerned, and `refresh` finds out when it was mended.

        Raises:
            StoreRefused: The data has another layout or clock than this server, or the witness
                file cannot be used.
            StoreUnavailable: No answer, or there is no data and the ledger cannot tell why.
        """
        trusted = self._known
        if self._witness is not None:
            trusted = await asyncio.to_thread(self._witness.read)
        verdict = await self._look(trusted)
        if isinstance(verdict, Initialise):
            self._require_knowledge()
            await initialise(self._client, self._scripts, self._clock, layout=self._layout)
            verdict = await self._look(trusted)
        match verdict:
            case Ready(lives):
                if self._witness is not None and trusted is None:
                    await asyncio.to_thread(self._witness.write, lives, self._clock)
                await self._take(lives)
            case Fenced(message):
                self._expect(trusted or _NOTHING_KNOWN)
                self.fence, self.is_compared = message, True
            case Initialise():
                self.fence = "The store lost its data while it was initialised; trying again"
        self._has_lost = False

    async def accept(self, life: Hashable) -> None:
        """Have all servers decide upon this life of the store: it was compared with the ledger.

        Raises: as `open`.
        """
        await self._client.execute("HSET", meta_key(0), MetaField.COMPARED, _text(life))
        await self.open()

    async def accept_any(self) -> None:
        """Have all servers decide upon whatever they find: nobody compares it with a ledger.

        Raises: as `open`.
        """
        await self._client.execute("HDEL", meta_key(0), MetaField.COMPARED)
        await self.open()

    async def refresh(self) -> None:
        """Look again while the store is fenced or after a script answered LOST; else do nothing.

        Raises: as `open`.
        """
        before = self.fence
        if before is None and not self._has_lost:
            return
        await self.open()
        if self.fence != before:
            _log.warning("store_layout_judged", fence=self.fence)

    def report_lost(self, shard: int) -> StoreUnavailable:
        """Take note that a shard answered LOST; returns the error that says what to do."""
        self._has_lost = True
        return StoreUnavailable(
            self.fence
            or f"Shard {shard:02x} of the store holds other data than it should; looking into it",
            outcome_unknown=False,
        )

    def _meet_life(self) -> bool:
        """Trust a store that was restarted or failed over only when it was compared."""
        if self.compared is None:
            return False
        self._fence_uncompared()
        return True

    async def _take(self, lives: tuple[ShardLife, ...]) -> None:
        """Decide upon these lives of the shards, if the store's was compared where anybody does."""
        found = await self._client.execute("HGET", meta_key(0), MetaField.COMPARED)
        self.compared = found.decode() if isinstance(found, bytes) else None
        if self.compared not in (None, _text(self._client.life)):
            self._fence_uncompared()
            return
        self._known = lives
        self._expect(lives)
        self.fence, self.is_compared = None, True

    def _fence_uncompared(self) -> None:
        self._expect(_NOTHING_KNOWN)
        self.fence, self.is_compared = _UNCOMPARED, False

    def _require_knowledge(self) -> None:
        if self._is_known is None and self._witness is None:
            raise StoreUnavailable(
                "The store is empty, and the ledger, which would tell whether it is new or lost "
                "its data, does not answer: start again when it does",
                outcome_unknown=False,
            )

    async def _look(self, trusted: tuple[ShardLife, ...] | None) -> Verdict:
        return judge(
            await survey(self._client, self._scripts),
            clock=self._clock,
            trusted=trusted,
            adopt_newer=self._witness is None,
            may_initialise=self._may_initialise,
            layout=self._layout,
        )

    def _expect(self, lives: tuple[ShardLife, ...]) -> None:
        self.markers = tuple(life.marker for life in lives)
        self.epochs = tuple(life.epoch for life in lives)


def _text(life: Hashable) -> str:
    """A life of the store, the same in every process: the runs of its servers.

    A server may take another replication id while it runs, so that processes know different ones.
    """
    servers = life if isinstance(life, frozenset) else [life]
    return " ".join(sorted(server[0] for server in servers if isinstance(server, tuple)))
