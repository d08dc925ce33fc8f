import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import msgpack
import pytest

from fluxrouter_server.domain.accounts import Account, KeyLimits, KeyRecord, KeyState
from fluxrouter_server.domain.ids import AccountName, AccountUid, KeyHash, KeyName
from fluxrouter_server.domain.limits import AccountRecord
from fluxrouter_server.domain.periods import Period
from fluxrouter_server.services.ports.documents import Change
from fluxrouter_server.services.ports.errors import StoreUnavailable
from fluxrouter_server.store.keys import (
    FOREVER,
    AccountFlag,
    account_keys,
    key_field,
    names_shard,
    shard_of,
)
from fluxrouter_server.store.shard_calls import as_list
from fluxrouter_testing.control_stores import START_US, ControlStores, control_stores
from fluxrouter_testing.resources import sample_account
from fluxrouter_testing.valkey import ThrowawayValkey

NAME = AccountName("demo/free")
SECRET = KeyRecord(KeyName("ci"), KeyHash("ab" * 32), KeyState.ACTIVE, START_US, None)


@pytest.fixture
async def stores(shared_valkey: ThrowawayValkey) -> AsyncIterator[ControlStores]:
    async with control_stores(shared_valkey) as built:
        yield built


async def put(stores: ControlStores, account: Account | None = None) -> AccountRecord:
    return (await stores.accounts.put_account(account or sample_account())).record


async def put_secrets(
    stores: ControlStores, record: AccountRecord, *secrets: KeyRecord
) -> AccountRecord:
    written = await stores.accounts.put_secrets(
        record.uid, expected=record.generation, secrets=secrets
    )
    assert written is not None
    return written


async def fields(stores: ControlStores, uid: AccountUid) -> dict[str, str]:
    words = as_list(await stores.client.execute("HGETALL", account_keys(uid).account))
    texts = [word.decode() for word in words if isinstance(word, bytes)]
    return dict(zip(texts[::2], texts[1::2], strict=True))


async def entries(stores: ControlStores, uid: AccountUid) -> list[dict[bytes, object]]:
    """The ledger's entries about an account."""
    found = as_list(await stores.client.execute("XRANGE", account_keys(uid).ledger, "-", "+"))
    decoded = [msgpack.unpackb(as_list(as_list(entry)[1])[1], raw=True) for entry in found]
    return [entry for entry in decoded if entry.get(b"u") == uid.encode()]


async def test_a_created_account_reads_back_by_name_and_by_uid(stores: ControlStores) -> None:
    written = await stores.accounts.put_account(sample_account())
    record = written.record
    assert written.change is Change.CREATED
    assert (record.account, record.secrets, record.deleted) == (sample_account(), (), False)
    view = await stores.accounts.get_account(NAME)
    assert view is not None
    assert view.record == record
    assert view.open_period is None
    assert view.store_us == stores.clock.now_us
    assert await stores.accounts.get_account_by_uid(record.uid) == view


async def test_an_account_lies_in_the_shard_of_its_name(stores: ControlStores) -> None:
    record = await put(stores)
    assert shard_of(record.uid) == names_shard(NAME)


async def test_an_unknown_account_is_none(stores: ControlStores) -> None:
    await put(stores)
    assert await stores.accounts.get_account(AccountName("demo/fre")) is None
    assert await stores.accounts.get_account(AccountName("demo/free2")) is None
    assert await stores.accounts.get_account_by_uid(AccountUid("abcdefghijklmnop")) is None


async def test_an_equal_account_stays_as_it_is(stores: ControlStores) -> None:
    record = await put(stores)
    again = await stores.accounts.put_account(sample_account())
    assert again.change is Change.UNCHANGED
    assert again.record == record
    assert len(await entries(stores, record.uid)) == 1


async def test_a_changed_account_keeps_uid_secrets_and_counters(stores: ControlStores) -> None:
    record = await put_secrets(stores, await put(stores), SECRET)
    await stores.client.execute("HSET", account_keys(record.uid).account, "s:1:a", 7)
    stores.clock.advance(60)
    written = await stores.accounts.put_account(replace(sample_account(), display_name="New"))
    assert written.change is Change.CONFIGURED
    assert written.record.uid == record.uid
    assert written.record.secrets == (SECRET,)
    assert written.record.generation.counter == record.generation.counter + 1
    assert written.record.update_us == START_US + 60_000_000
    assert (await fields(stores, record.uid))["s:1:a"] == "7"


async def test_scripts_find_generation_and_flags_beside_the_counters(
    stores: ControlStores,
) -> None:
    record = await put(stores)
    found = await fields(stores, record.uid)
    assert found["gen"] == str(record.generation)
    assert found["flags"] == "0"
    record = await put(stores, replace(sample_account(), suspended=True))
    found = await fields(stores, record.uid)
    assert found["gen"] == str(record.generation)
    assert found["flags"] == str(AccountFlag.SUSPENDED)


async def test_scripts_find_until_when_each_secret_is_valid(stores: ControlStores) -> None:
    record = await put_secrets(stores, await put(stores), SECRET)
    assert (await fields(stores, record.uid))[key_field(SECRET.hash)] == str(FOREVER)
    expiring = KeyLimits(SECRET.name, cap_nano_usd=None, expire_us=5, allowed_models=None)
    record = await put(stores, replace(sample_account(), keys=(expiring,)))
    assert (await fields(stores, record.uid))[key_field(SECRET.hash)] == "5"
    await put_secrets(stores, record, replace(SECRET, state=KeyState.REVOKED))
    assert (await fields(stores, record.uid))[key_field(SECRET.hash)] == "0"


async def test_a_secret_that_is_taken_out_is_unknown_to_scripts(stores: ControlStores) -> None:
    record = await put_secrets(stores, await put(stores), SECRET)
    other = replace(SECRET, hash=KeyHash("cd" * 32))
    await put_secrets(stores, record, other)
    found = await fields(stores, record.uid)
    assert key_field(SECRET.hash) not in found
    assert key_field(other.hash) in found


async def test_secrets_of_an_older_generation_are_not_written(stores: ControlStores) -> None:
    old = await put(stores)
    new = await put(stores, replace(sample_account(), suspended=True))
    outcome = await stores.accounts.put_secrets(old.uid, expected=old.generation, secrets=(SECRET,))
    assert outcome is None
    view = await stores.accounts.get_account(NAME)
    assert view is not None
    assert view.record == new


async def test_secrets_of_an_unknown_account_are_not_written(stores: ControlStores) -> None:
    record = await put(stores)
    unknown = AccountUid("abcdefghijklmnop")
    assert (
        await stores.accounts.put_secrets(unknown, expected=record.generation, secrets=(SECRET,))
        is None
    )


async def test_a_deleted_account_is_answered_with_its_flag_and_not_listed(
    stores: ControlStores,
) -> None:
    record = await put(stores)
    assert await stores.accounts.delete_account(NAME)
    view = await stores.accounts.get_account(NAME)
    assert view is not None
    assert view.record.deleted
    assert view.record.uid == record.uid
    assert view.record.generation.counter == record.generation.counter + 1
    assert (await fields(stores, record.uid))["flags"] == str(AccountFlag.DELETED)
    assert await stores.accounts.list_accounts(namespace=None, after=None, limit=10) == []


async def test_deleting_what_is_not_there_changes_nothing(stores: ControlStores) -> None:
    assert not await stores.accounts.delete_account(NAME)
    await put(stores)
    await stores.accounts.delete_account(NAME)
    assert not await stores.accounts.delete_account(NAME)


async def test_creating_a_name_again_revives_the_same_account_with_its_revocations(
    stores: ControlStores,
) -> None:
    revoked = replace(SECRET, state=KeyState.REVOKED)
    record = await put_secrets(stores, await put(stores), revoked)
    await stores.client.execute("HSET", account_keys(record.uid).account, "s:1:a", 7)
    await stores.accounts.delete_account(NAME)
    written = await stores.accounts.put_account(sample_account())
    assert written.change is Change.CREATED
    assert not written.record.deleted
    assert written.record.uid == record.uid
    assert written.record.secrets == (revoked,)
    found = await fields(stores, record.uid)
    assert found[key_field(SECRET.hash)] == "0"
    assert found["s:1:a"] == "7"
    assert found["flags"] == "0"


async def test_writers_of_one_account_at_the_same_time_lose_nothing(
    stores: ControlStores,
) -> None:
    record = await put(stores)
    accounts = [replace(sample_account(), display_name=str(n)) for n in range(4)]
    written, *_ = await asyncio.gather(
        stores.accounts.put_secrets(record.uid, expected=record.generation, secrets=(SECRET,)),
        *map(stores.accounts.put_account, accounts),
    )
    view = await stores.accounts.get_account(NAME)
    assert view is not None
    assert view.record.secrets == (() if written is None else (SECRET,))
    changes = len(accounts) + (written is not None)
    assert view.record.generation.counter == record.generation.counter + changes


async def test_creating_one_name_at_the_same_time_makes_one_account(
    stores: ControlStores,
) -> None:
    accounts = [replace(sample_account(), display_name=str(n)) for n in range(4)]
    written = await asyncio.gather(*map(stores.accounts.put_account, accounts))
    assert len({each.record.uid for each in written}) == 1
    assert [each.change for each in written].count(Change.CREATED) == 1
    assert len(await stores.accounts.list_accounts(namespace=None, after=None, limit=10)) == 1


async def test_the_open_period_is_read_with_the_account(stores: ControlStores) -> None:
    record = await put(stores)
    key = account_keys(record.uid).account
    await stores.client.execute("HSET", key, "pid", 1, "pstart", 10, "pend", 20)
    view = await stores.accounts.get_account(NAME)
    assert view is not None
    assert view.open_period == Period(10, 20)


async def test_every_write_is_the_next_entry_of_the_accounts_ledger(
    stores: ControlStores,
) -> None:
    record = await put_secrets(stores, await put(stores), SECRET)
    await stores.accounts.delete_account(NAME)
    found = await entries(stores, record.uid)
    assert [entry[b"q"] for entry in found] == [1, 2, 3]
    assert {entry[b"k"] for entry in found} == {b"control"}
    assert {entry[b"d"] for entry in found} == {b"account"}
    assert [entry[b"fl"] for entry in found] == [0, 0, AccountFlag.DELETED]
    assert found[1][b"g"] == str(record.generation).encode()


async def test_an_account_out_of_reach_is_unavailable_and_not_unknown(
    stores: ControlStores,
) -> None:
    await put(stores)
    stores.network.shards = (names_shard(NAME),)
    with pytest.raises(StoreUnavailable):
        await stores.accounts.get_account(NAME)
