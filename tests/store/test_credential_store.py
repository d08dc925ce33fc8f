from collections.abc import AsyncIterator
from dataclasses import replace

import pytest

from fluxrouter_server.services.ports.documents import CredentialRecord
from fluxrouter_server.store.keys import ledger_key
from fluxrouter_testing.control_stores import ControlStores, control_stores
from fluxrouter_testing.valkey import ThrowawayValkey

GATEWAY = CredentialRecord("gateway", "ab" * 32, frozenset({"route", "meter"}), create_us=5)


@pytest.fixture
async def stores(shared_valkey: ThrowawayValkey) -> AsyncIterator[ControlStores]:
    async with control_stores(shared_valkey) as built:
        yield built


async def test_credentials_are_listed_by_name(stores: ControlStores) -> None:
    assert await stores.credentials.list_credentials() == []
    others = [replace(GATEWAY, name=name) for name in ("operator", "billing")]
    for record in [GATEWAY, *others]:
        assert await stores.credentials.put_credential(record)
    found = await stores.credentials.list_credentials()
    assert found == [others[1], GATEWAY, others[0]]


async def test_a_taken_name_keeps_its_credential(stores: ControlStores) -> None:
    await stores.credentials.put_credential(GATEWAY)
    assert not await stores.credentials.put_credential(replace(GATEWAY, secret_hash="cd" * 32))
    assert await stores.credentials.list_credentials() == [GATEWAY]


async def test_a_removed_credential_is_gone_and_its_name_is_free(stores: ControlStores) -> None:
    await stores.credentials.put_credential(GATEWAY)
    assert await stores.credentials.delete_credential("gateway")
    assert await stores.credentials.list_credentials() == []
    assert not await stores.credentials.delete_credential("gateway")
    assert await stores.credentials.put_credential(GATEWAY)


async def test_only_what_changes_something_is_an_entry_of_the_ledger(
    stores: ControlStores,
) -> None:
    before = await stores.client.execute("XLEN", ledger_key(0))
    assert isinstance(before, int)
    await stores.credentials.put_credential(GATEWAY)
    await stores.credentials.put_credential(GATEWAY)
    await stores.credentials.delete_credential("gateway")
    await stores.credentials.delete_credential("gateway")
    assert await stores.client.execute("XLEN", ledger_key(0)) == before + 2
