"""A purged account stays gone: no rebuild brings it back, and its absence is no loss."""

from collections.abc import AsyncIterator

import pytest
from sqlalchemy.engine import URL

from fluxrouter_server.domain.ids import AccountUid
from fluxrouter_server.ledger.book import SqlLedgerBook
from fluxrouter_server.ledger.rebuild_source import SqlRebuildSource
from fluxrouter_server.services.ports.rebuilding import Horizon
from fluxrouter_server.store.clock import SimulatedClock
from fluxrouter_server.store.hold_timing import HoldTiming
from fluxrouter_server.store.keys import ledger_key, shard_of
from fluxrouter_server.store.layout import ClockKind
from fluxrouter_server.store.restoring import ValkeyShardRestorer
from fluxrouter_testing.control_stores import SCRIPTS, connected
from fluxrouter_testing.hold_world import HoldWorld
from fluxrouter_testing.ledger_samples import SampleAccount
from fluxrouter_testing.valkey import ThrowawayValkey

DELETED = 2
EVERYTHING = Horizon(0, 0)


@pytest.fixture
async def source(book: SqlLedgerBook, ledger_url: URL) -> AsyncIterator[SqlRebuildSource]:  # noqa: ARG001 - migrates it
    source = SqlRebuildSource(ledger_url)
    yield source
    source.close()


async def test_a_rebuild_leaves_a_purged_account_out(
    book: SqlLedgerBook, source: SqlRebuildSource
) -> None:
    account = SampleAccount()
    await book.append([account.document(), account.settlement()])
    await book.append([account.document(flags=DELETED)])
    await book.append([account.document(flags=DELETED, body=None)])
    assert await source.account_uids([shard_of(account.uid)]) == [account.uid]
    assert await source.accounts([account.uid], EVERYTHING) == []


async def test_a_rebuild_keeps_a_deleted_account_that_may_be_revived(
    book: SqlLedgerBook, source: SqlRebuildSource
) -> None:
    account = SampleAccount()
    await book.append([account.document(), account.document(flags=DELETED)])
    (known,) = await source.accounts([account.uid], EVERYTHING)
    assert (known.uid, known.flags) == (account.uid, DELETED)


async def test_an_account_is_deleted_until_it_is_revived(
    book: SqlLedgerBook, source: SqlRebuildSource
) -> None:
    account = SampleAccount()
    await book.append([account.document(), account.document(flags=DELETED)])
    assert set(await source.deleted_accounts()) == {account.uid}
    await book.append([account.document()])
    assert set(await source.deleted_accounts()) == set()


async def outdated(server: ThrowawayValkey, world: HoldWorld, *deleted: AccountUid) -> list[int]:
    """The shards that are older than a ledger that has a hundred entries of the account."""
    async with connected(server) as client:
        restorer = ValkeyShardRestorer(
            client,
            SCRIPTS,
            kind=ClockKind.SIMULATED,
            clock=SimulatedClock(lambda: world.now_us),
            timing=HoldTiming(),
            witness=None,
        )
        places = {world.uid: (1, 100)}
        return list(await restorer.outdated_shards(places, deleted=frozenset(deleted)))


async def test_a_store_without_a_deleted_account_is_not_older_than_the_ledger(
    shared_valkey: ThrowawayValkey,
) -> None:
    world = HoldWorld(shared_valkey)
    assert await outdated(shared_valkey, world, world.uid) == [world.shard]
    world.delete_account()
    world.client.command("XTRIM", ledger_key(world.shard), "MAXLEN", 0)
    world.now_us += world.timing.max_hold_life_us + world.timing.late_window_us
    await world.sweeper.sweep()
    assert await outdated(shared_valkey, world, world.uid) == []
    assert await outdated(shared_valkey, world) == [world.shard]
    world.close()
