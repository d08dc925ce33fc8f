"""Removes what is left of deleted accounts (docs/protocol.md §1)."""

from fluxrouter_server.domain.ids import AccountUid
from fluxrouter_server.store.documents import decode_account_record, decode_generation
from fluxrouter_server.store.keys import account_keys, names_key
from fluxrouter_server.store.shard_calls import ShardCalls, as_bytes, as_int

__all__ = ["purge_account"]


async def purge_account(calls: ShardCalls, uid: AccountUid) -> bool:
    """Remove an account's data if its deletion is over; False where something still needs it.

    Afterwards its name is free: creating it makes another account, which counts from zero.

    Raises:
        StoreError: No answer; it may have been removed all the same.
    """
    keys = account_keys(uid)
    answer = await calls.run("read_account", keys.shard, (keys.account, keys.document))
    _, generation, update_us, _, _, _, document = answer
    if not generation:
        return False  # another server was first
    record = decode_account_record(
        as_bytes(document),
        uid=uid,
        generation=decode_generation(as_bytes(generation)),
        update_us=as_int(update_us),
        deleted=True,
    )
    (purged,) = await calls.run(
        "purge_account",
        keys.shard,
        (
            names_key(keys.shard),
            keys.account,
            keys.document,
            keys.holds,
            keys.hold_due,
            keys.shard_due,
            keys.ledger,
        ),
        uid,
        record.account.name,
        as_bytes(generation),
    )
    return bool(purged)
