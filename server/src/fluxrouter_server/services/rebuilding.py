"""Rebuilds shards that lost their data from the ledger, by itself, before anything is admitted.

While a shard has no identity every script refuses it, so nothing that is written here can be seen
half done: the identity is written last. The ledger's rows of the shards are locked all the while,
so of several servers one rebuilds, and no worker adds entries that the counters would miss.

Promise: afterwards the counters are those that the ledger's entries add up to. What had not reached
the ledger is lost, and holds in flight have ended: nothing is charged for them any more.
"""

from collections.abc import Awaitable, Callable, Sequence
from typing import Final

import structlog

from fluxrouter_server.services.ports.rebuilding import RebuildSource, ShardRestorer

__all__ = ["Rebuilding"]

_log = structlog.get_logger(__name__)

_ACCOUNTS_AT_ONCE: Final = 200


class Rebuilding:
    """Looks for shards that lost their data, and rebuilds them.

    Args:
        source: What knows.
        restorer: What lost.
        announce: Told how far it is while it works, and None at the end.
        adopt: Awaited when shards have new identities, so that they are decided upon.
    """

    def __init__(
        self,
        *,
        source: RebuildSource,
        restorer: ShardRestorer,
        announce: Callable[[str | None], None],
        adopt: Callable[[], Awaitable[None]],
    ) -> None:
        self._source = source
        self._restorer = restorer
        self._announce = announce
        self._adopt = adopt

    async def close_outdated(self) -> None:
        """Find shards that are older than the ledger, and take them for lost.

        Raises:
            StoreError: Store or ledger do not answer.
        """
        suspects = await self._outdated()
        if not suspects:
            return
        async with self._source.lock(suspects):
            # Another server may have had them rebuilt while this one waited for the lock.
            shards = [shard for shard in await self._outdated() if shard in suspects]
            await self._restorer.empty(shards)
        if shards:
            _log.error("store_older_than_ledger", shards=len(shards))

    async def _outdated(self) -> Sequence[int]:
        places, deleted = await self._source.latest_places(), await self._source.deleted_accounts()
        return await self._restorer.outdated_shards(places, deleted=deleted)

    async def run(self) -> None:
        """Rebuild what is lost and known; what the ledger never knew is left to people.

        Raises:
            StoreError: Store or ledger do not answer; running it again begins anew.
        """
        if not await self._restorer.lost_shards():
            return
        try:
            await self._rebuild()
        finally:
            self._announce(None)

    async def _rebuild(self) -> None:
        lost = await self._restorer.lost_shards()
        async with self._source.lock(lost) as known:
            # Another server may have rebuilt them while this one waited for the lock.
            still_lost = await self._restorer.lost_shards()
            shards = [shard for shard in still_lost if shard in known]
            if not shards:
                return
            _log.warning("rebuild_begun", shards=len(shards))
            self._announce("The store lost its data and is rebuilt from the ledger")
            await self._restorer.restore_documents(shards, await self._source.documents())
            accounts = await self._restore_accounts(shards)
            epochs = {shard: known[shard] + 1 for shard in shards}
            lives = await self._restorer.open_shards(epochs)
            await self._source.begin_lives(lives)
            _log.warning("rebuild_ended", shards=len(shards), accounts=accounts)
        await self._adopt()

    async def _restore_accounts(self, shards: list[int]) -> int:
        uids = await self._source.account_uids(shards)
        horizon = self._restorer.horizon()
        for first in range(0, len(uids), _ACCOUNTS_AT_ONCE):
            some = uids[first : first + _ACCOUNTS_AT_ONCE]
            await self._restorer.restore_accounts(await self._source.accounts(some, horizon))
            done = first + len(some)
            _log.info("rebuild_goes_on", accounts=done, of=len(uids))
            self._announce(
                "The store lost its data and is rebuilt from the ledger: "
                f"{done} of {len(uids)} accounts are done"
            )
        return len(uids)
