"""Ends what is overdue on every shard, closes periods that are over, purges deleted accounts.

docs/protocol.md §5, §6 and §1.
"""

import asyncio
from collections import Counter
from collections.abc import Mapping
from typing import Final

from fluxrouter_server.domain.holds import HoldState
from fluxrouter_server.domain.ids import AccountUid
from fluxrouter_server.services.ports.errors import StoreError
from fluxrouter_server.store.hold_calls import HoldCalls
from fluxrouter_server.store.keys import SHARDS, shard_due_key
from fluxrouter_server.store.purging import purge_account
from fluxrouter_server.store.shard_calls import ShardCall, ShardCalls, as_bytes

__all__ = ["ValkeySweeper"]

_ACCOUNTS_AT_ONCE: Final = 64
"""Of one shard in one round, so that the store answers decisions in between."""

_MOST_ROUNDS: Final = 32
"""In one sweep, so that its length is bounded; what is left is due first in the next one."""


class ValkeySweeper:
    """Implements `Sweeper`. Any number of them may sweep one store: every step is idempotent.

    Args:
        shards: Lists what is due.
        holds: Ends it, account by account.
    """

    def __init__(self, shards: ShardCalls, holds: HoldCalls) -> None:
        self._shards = shards
        self._holds = holds

    async def sweep(self) -> Mapping[HoldState, int]:
        """End the overdue holds of all shards (bounded); answer how many ended in which way.

        Raises:
            StoreError: Some shard could not be swept; the others were.
        """
        ended: Counter[HoldState] = Counter()
        errors: list[StoreError] = []
        shards = list(range(SHARDS))
        for _ in range(_MOST_ROUNDS):
            due = await self._list_due(shards, errors)
            unfinished = await self._end(
                [uid for uids in due.values() for uid in uids], ended, errors
            )
            shards = [
                shard
                for shard, uids in due.items()
                if len(uids) == _ACCOUNTS_AT_ONCE or not unfinished.isdisjoint(uids)
            ]
            # What fails now will hardly do better at once: it is left for the next sweep.
            if errors or not shards:
                break
        if errors:
            raise errors[0]
        return ended

    async def _list_due(
        self, shards: list[int], errors: list[StoreError]
    ) -> dict[int, list[AccountUid]]:
        calls = [
            ShardCall(shard, (shard_due_key(shard),), (_ACCOUNTS_AT_ONCE,)) for shard in shards
        ]
        due: dict[int, list[AccountUid]] = {}
        for shard, answer in zip(shards, await self._shards.run_each("due", calls), strict=True):
            if isinstance(answer, StoreError):
                errors.append(answer)
            elif len(answer) > 1:
                due[shard] = [AccountUid(as_bytes(uid).decode()) for uid in answer[1:]]
        return due

    async def _end(
        self, accounts: list[AccountUid], ended: Counter[HoldState], errors: list[StoreError]
    ) -> set[AccountUid]:
        """End what is due of each account, all in one round trip; return those with more of it."""
        answers = await asyncio.gather(
            *(self._holds.run("expire", uid, None, ()) for uid in accounts), return_exceptions=True
        )
        unfinished = set()
        for uid, answer in zip(accounts, answers, strict=True):
            if isinstance(answer, StoreError):
                errors.append(answer)
            elif isinstance(answer, BaseException):
                raise answer
            else:
                ended[HoldState.EXPIRED_CHARGED] += answer[2]
                ended[HoldState.EXPIRED_RELEASED] += answer[3]
                if answer[5]:
                    unfinished.add(uid)
                if answer[6]:
                    await self._purge(uid, errors)
        return unfinished

    async def _purge(self, uid: AccountUid, errors: list[StoreError]) -> None:
        try:
            await purge_account(self._shards, uid)
        except StoreError as error:
            errors.append(error)
