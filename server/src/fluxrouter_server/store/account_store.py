"""Accounts in Valkey: each in the shard of its name, created and changed in one atomic step.

Every change reads the account, makes the new document and writes it under the condition that the
account still has the generation that was read; whoever comes second reads again. So a change of the
spec never undoes a rotation of a key, nor the other way round, and what the scripts test on every
call (the generation, flags, each secret's end) always belongs to the very document beside it.

A deleted account keeps its uid, its counters and its keys: creating the name again goes on where it
ended (docs/protocol.md §1).
"""

from collections.abc import Sequence
from secrets import token_bytes, token_hex
from typing import Final

from fluxrouter_server.domain.accounts import Account, KeyRecord
from fluxrouter_server.domain.ids import AccountName, AccountUid
from fluxrouter_server.domain.keys import draw_uid
from fluxrouter_server.domain.limits import AccountRecord, Generation
from fluxrouter_server.domain.periods import Period
from fluxrouter_server.services.ports.documents import AccountView, Change, Written
from fluxrouter_server.services.ports.errors import StoreUnavailable
from fluxrouter_server.store.account_index import AccountIndex
from fluxrouter_server.store.documents import (
    decode_account_record,
    decode_generation,
    encode_account,
)
from fluxrouter_server.store.key_validity import key_fields
from fluxrouter_server.store.keys import AccountFlag, account_keys, names_key
from fluxrouter_server.store.shard_calls import (
    Answer,
    ShardCall,
    ShardCalls,
    as_bytes,
    as_int,
)

__all__ = ["ValkeyAccountStore"]

_NONCE_BYTES: Final = 4
_MOST_TRIES: Final = 8
"""Writers of one account that meet: a controller, a person and a rotation are three."""


class ValkeyAccountStore:
    """Implements `AccountStore`."""

    def __init__(self, calls: ShardCalls) -> None:
        self._calls = calls
        self._index = AccountIndex(calls)

    async def put_account(self, account: Account) -> Written[AccountRecord]:
        """Create, replace, or revive the same uid after a deletion; its secrets stay as they are.

        Raises:
            StoreUnavailable: No answer (see `outcome_unknown`), or others keep changing it.
        """
        for _ in range(_MOST_TRIES):
            current = await self._find(account.name)
            if current is not None and not current.deleted and current.account == account:
                return Written(current, Change.UNCHANGED)
            written = await self._write(
                current,
                uid=draw_uid(account.name, token_bytes) if current is None else current.uid,
                account=account,
                secrets=() if current is None else current.secrets,
            )
            if written is not None:
                is_new = current is None or current.deleted
                return Written(written, Change.CREATED if is_new else Change.CONFIGURED)
        raise _contended(account.name)

    async def get_account(self, name: AccountName) -> AccountView | None:
        """Read by name; a deleted one is answered with its flag."""
        uid = await self._index.find(name)
        return None if uid is None else await self.get_account_by_uid(uid)

    async def get_account_by_uid(self, uid: AccountUid) -> AccountView | None:
        """Read by uid."""
        keys = account_keys(uid)
        return _view(
            uid, await self._calls.run("read_account", keys.shard, (keys.account, keys.document))
        )

    async def list_accounts(
        self, *, namespace: str | None, after: AccountName | None, limit: int
    ) -> Sequence[AccountRecord]:
        """A page by name, deleted ones left out; `AccountIndex` says what it costs."""
        records: list[AccountRecord] = []
        while True:
            wanted = limit - len(records)
            entries = await self._index.page(namespace=namespace, after=after, limit=wanted)
            records += [
                record
                for record in await self._read_all([uid for _, uid in entries])
                if not record.deleted
            ]
            if len(records) >= limit or len(entries) < wanted:
                return records
            after = entries[-1][0]

    async def delete_account(self, name: AccountName) -> bool:
        """End admission; the data stays until its period is closed. False where there was none."""
        for _ in range(_MOST_TRIES):
            current = await self._find(name)
            if current is None or current.deleted:
                return False
            written = await self._write(
                current,
                uid=current.uid,
                account=current.account,
                secrets=current.secrets,
                deleted=True,
            )
            if written is not None:
                return True
        raise _contended(name)

    async def put_secrets(
        self, uid: AccountUid, *, expected: Generation, secrets: tuple[KeyRecord, ...]
    ) -> AccountRecord | None:
        """Replace the key hashes if the account is still of that generation, else None."""
        view = await self.get_account_by_uid(uid)
        if view is None or view.record.generation != expected:
            return None
        current = view.record
        return await self._write(
            current,
            uid=uid,
            account=current.account,
            secrets=secrets,
            deleted=current.deleted,
        )

    async def _find(self, name: AccountName) -> AccountRecord | None:
        view = await self.get_account(name)
        return None if view is None else view.record

    async def _read_all(self, uids: Sequence[AccountUid]) -> list[AccountRecord]:
        calls = [
            ShardCall(keys.shard, (keys.account, keys.document)) for keys in map(account_keys, uids)
        ]
        answers = await self._calls.run_all("read_account", calls)
        views = map(_view, uids, answers)
        return [view.record for view in views if view is not None]

    async def _write(
        self,
        current: AccountRecord | None,
        *,
        uid: AccountUid,
        account: Account,
        secrets: tuple[KeyRecord, ...],
        deleted: bool = False,
    ) -> AccountRecord | None:
        """Write what follows `current`; None where the account is not that any more."""
        counter = 0 if current is None else current.generation.counter
        generation = Generation(counter + 1, token_hex(_NONCE_BYTES))
        keys = account_keys(uid)
        fields = key_fields(account, secrets)
        former = {} if current is None else key_fields(current.account, current.secrets)
        flags = AccountFlag.SUSPENDED * account.suspended + AccountFlag.DELETED * deleted
        (written_us,) = await self._calls.run(
            "write_account",
            keys.shard,
            (
                names_key(keys.shard),
                keys.account,
                keys.document,
                keys.holds,
                keys.hold_due,
                keys.ledger,
                keys.shard_due,
            ),
            uid,
            account.name,
            "" if current is None else str(current.generation),
            str(generation),
            flags,
            encode_account(account, secrets),
            len(fields),
            *(word for field in fields.items() for word in field),
            *(former.keys() - fields.keys()),
        )
        if not written_us:
            return None
        return AccountRecord(uid, account, secrets, deleted, generation, as_int(written_us))


def _view(uid: AccountUid, answer: Answer) -> AccountView | None:
    store_us, generation, update_us, flags, start_us, end_us, document = answer
    if not generation:
        return None
    record = decode_account_record(
        as_bytes(document),
        uid=uid,
        generation=decode_generation(as_bytes(generation)),
        update_us=as_int(update_us),
        deleted=bool(as_int(flags) & AccountFlag.DELETED),
    )
    period = Period(as_int(start_us), as_int(end_us)) if end_us else None
    return AccountView(record, period, as_int(store_us))


def _contended(name: AccountName) -> StoreUnavailable:
    return StoreUnavailable(
        f"account {name}: other writers keep changing it; try again", outcome_unknown=False
    )
