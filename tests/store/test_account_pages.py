"""Pages of accounts, on a store with 3,000 of them that is filled once."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from dataclasses import replace
from itertools import count, islice

import pytest

from fluxrouter_server.domain.ids import AccountName
from fluxrouter_server.store.keys import names_shard
from fluxrouter_testing.control_stores import ControlStores, control_stores
from fluxrouter_testing.resources import sample_account
from fluxrouter_testing.valkey import ThrowawayValkey, running_valkey

# In the order of bytes "a-b/…" comes before "a/…", and "a0/…" after it.
# All of `crowd` lie in one shard, which no page expects.
CROWDED = (name for n in count() if names_shard(name := AccountName(f"crowd/{n}")) == 77)
CROWD: list[str] = list(islice(CROWDED, 60))
NAMES = sorted(
    [f"a/{n}" for n in range(2_000)]
    + [f"a-b/{n}" for n in range(910)]
    + [f"a0/{n}" for n in range(10)]
    + [f"z/{n}" for n in range(20)]
    + CROWD
)
DELETED = {name for name in NAMES if name.endswith("7")}
KEPT = [name for name in NAMES if name not in DELETED]
_AT_ONCE = 500


@pytest.fixture(scope="module")
def filled() -> Iterator[ThrowawayValkey]:
    with running_valkey() as server:
        asyncio.run(fill(server))
        yield server


@pytest.fixture
async def stores(filled: ThrowawayValkey) -> AsyncIterator[ControlStores]:
    async with control_stores(filled) as built:
        yield built


async def fill(server: ThrowawayValkey) -> None:
    async with control_stores(server) as stores:
        for start in range(0, len(NAMES), _AT_ONCE):
            names = [AccountName(name) for name in NAMES[start : start + _AT_ONCE]]
            accounts = [replace(sample_account(), name=name) for name in names]
            await asyncio.gather(*map(stores.accounts.put_account, accounts))
            gone = [name for name in names if name in DELETED]
            await asyncio.gather(*map(stores.accounts.delete_account, gone))


async def pages(stores: ControlStores, limit: int, namespace: str | None = None) -> list[list[str]]:
    """Names on each page, following the last name of the page before."""
    found: list[list[str]] = []
    after: AccountName | None = None
    while True:
        page = await stores.accounts.list_accounts(namespace=namespace, after=after, limit=limit)
        found.append([record.account.name for record in page])
        if len(page) < limit:
            return found
        after = page[-1].account.name


@pytest.mark.parametrize("limit", [97, 1_000, 5_000])
async def test_pages_hold_every_account_once_in_the_order_of_names(
    stores: ControlStores, limit: int
) -> None:
    found = await pages(stores, limit)
    assert [name for page in found for name in page] == KEPT
    assert {len(page) for page in found[:-1]} <= {limit}


async def test_a_page_of_a_namespace_holds_no_other(stores: ControlStores) -> None:
    for namespace in ("a", "a-b", "a0"):
        wanted = [name for name in KEPT if name.startswith(f"{namespace}/")]
        found = await pages(stores, 400, namespace)
        assert [name for page in found for name in page] == wanted


async def test_a_page_after_a_name_that_does_not_exist_starts_behind_it(
    stores: ControlStores,
) -> None:
    after = AccountName("a/15")
    page = await stores.accounts.list_accounts(namespace=None, after=after, limit=3)
    start = next(n for n, name in enumerate(KEPT) if name > after)
    assert [record.account.name for record in page] == KEPT[start : start + 3]
    behind = await stores.accounts.list_accounts(
        namespace="a0", after=AccountName("a0/zzz"), limit=3
    )
    assert behind == []


async def test_a_name_before_the_namespace_does_not_narrow_its_page(
    stores: ControlStores,
) -> None:
    page = await stores.accounts.list_accounts(namespace="a0", after=AccountName("a/1"), limit=100)
    assert [record.account.name for record in page] == [n for n in KEPT if n.startswith("a0/")]


@pytest.mark.parametrize("limit", [20, 60])
async def test_accounts_that_crowd_one_shard_are_all_on_the_pages(
    stores: ControlStores, limit: int
) -> None:
    found = await pages(stores, limit, "crowd")
    assert [name for page in found for name in page] == [n for n in KEPT if n in CROWD]


async def test_accounts_that_crowd_one_shard_do_not_let_later_names_overtake(
    stores: ControlStores,
) -> None:
    after = AccountName("a0/9")
    page = await stores.accounts.list_accounts(namespace=None, after=after, limit=20)
    assert [record.account.name for record in page] == [n for n in KEPT if n > after][:20]


async def test_one_account_a_page_is_enough(stores: ControlStores) -> None:
    found = await pages(stores, 1, "a0")
    assert [name for page in found for name in page] == [n for n in KEPT if n.startswith("a0/")]
