import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace

import msgpack
import pytest

from fluxrouter_server.domain.ids import PlanName
from fluxrouter_server.domain.limits import PlanRecord
from fluxrouter_server.services.ports.documents import Change
from fluxrouter_server.services.ports.errors import StoreUnavailable
from fluxrouter_server.store.documents import encode_plan
from fluxrouter_server.store.keys import SHARDS, ledger_key, plan_key, shard_of
from fluxrouter_server.store.shard_calls import ShardCall, as_list
from fluxrouter_testing.control_stores import ControlStores, control_stores
from fluxrouter_testing.resources import sample_catalog, sample_plan
from fluxrouter_testing.store_cluster import AnyStore

FREE = PlanName("free")
HOME = shard_of(FREE)
OTHERS = [shard for shard in range(SHARDS) if shard != HOME]


@pytest.fixture
async def stores(shared_store: AnyStore) -> AsyncIterator[ControlStores]:
    async with control_stores(shared_store) as built:
        yield built


async def held(stores: ControlStores, name: PlanName = FREE) -> set[tuple[object, object]]:
    """The distinct (generation, document) that shards hold."""
    pairs = [
        await stores.client.execute("HMGET", plan_key(shard, name), "gen", "doc")
        for shard in range(SHARDS)
    ]
    return {(pair[0], pair[1]) for pair in pairs if isinstance(pair, list)}


async def entries(stores: ControlStores, shard: int) -> list[dict[bytes, object]]:
    """The ledger's control entries of a shard, without the one that began its life."""
    found = as_list(await stores.client.execute("XRANGE", ledger_key(shard), "-", "+"))
    fields = [as_list(as_list(entry)[1]) for entry in found[1:]]
    return [msgpack.unpackb(entry, raw=True) for _, entry in fields]


async def take(stores: ControlStores, shard: int, record: PlanRecord) -> object:
    """Offer a shard a document as a fan-out does."""
    generation = record.generation
    words = (
        generation.counter,
        str(generation),
        encode_plan(record.plan),
        record.update_us,
    )
    call = ShardCall(shard, (plan_key(shard, record.plan.name),), words)
    ((answer,),) = await stores.calls.run_all("take_document", [call])
    return answer


async def test_an_acknowledged_plan_is_on_every_shard_and_reads_back(
    stores: ControlStores,
) -> None:
    written = await stores.plans.put_plan(sample_plan())
    assert written.change is Change.CREATED
    assert written.record.plan == sample_plan()
    assert written.record.generation.counter == 1
    assert await stores.plans.get_plan(FREE) == written.record
    assert await held(stores) == {
        (str(written.record.generation).encode(), encode_plan(sample_plan()))
    }


async def test_an_equal_plan_stays_as_it_is(stores: ControlStores) -> None:
    first = await stores.plans.put_plan(sample_plan())
    again = await stores.plans.put_plan(sample_plan())
    assert again.change is Change.UNCHANGED
    assert again.record == first.record
    assert len(await entries(stores, HOME)) == 1


async def test_every_change_has_a_higher_generation(stores: ControlStores) -> None:
    plans = [replace(sample_plan(), fee_nano_usd=fee) for fee in (0, 1, 0)]
    written = [await stores.plans.put_plan(plan) for plan in plans]
    assert [each.change for each in written] == [
        Change.CREATED,
        Change.CONFIGURED,
        Change.CONFIGURED,
    ]
    assert [each.record.generation.counter for each in written] == [1, 2, 3]
    assert len({each.record.generation.nonce for each in written}) == 3


async def test_an_older_fan_out_never_replaces_a_newer_document(stores: ControlStores) -> None:
    old = (await stores.plans.put_plan(sample_plan())).record
    new = (await stores.plans.put_plan(replace(sample_plan(), fee_nano_usd=1))).record
    assert await take(stores, OTHERS[0], old) == str(new.generation).encode()
    assert await held(stores) == {(str(new.generation).encode(), encode_plan(new.plan))}


async def test_writers_at_the_same_time_leave_every_shard_with_the_same_plan(
    stores: ControlStores,
) -> None:
    plans = [replace(sample_plan(), fee_nano_usd=fee) for fee in range(8)]
    written = await asyncio.gather(*map(stores.plans.put_plan, plans))
    last = max((each.record for each in written), key=lambda record: record.generation.counter)
    assert last.generation.counter == 8
    assert await held(stores) == {(str(last.generation).encode(), encode_plan(last.plan))}
    assert await stores.plans.get_plan(FREE) == last


async def test_a_partial_fan_out_is_not_acknowledged_and_names_the_shards(
    stores: ControlStores,
) -> None:
    stores.network.shards = OTHERS[1:4]
    with pytest.raises(StoreUnavailable) as failure:
        await stores.plans.put_plan(sample_plan())
    assert failure.value.outcome_unknown
    assert "shard 01, 02, 03 did not take it" in str(failure.value)
    assert len(await held(stores)) == 2


async def test_the_sweep_finishes_a_partial_fan_out_once(stores: ControlStores) -> None:
    stores.network.shards = OTHERS[100:]
    with pytest.raises(StoreUnavailable):
        await stores.plans.put_plan(sample_plan())
    with pytest.raises(StoreUnavailable):
        await stores.plans.finish_fan_outs()
    stores.network.shards = ()
    assert await stores.plans.finish_fan_outs() == 1
    assert len(await held(stores)) == 1
    assert await stores.plans.finish_fan_outs() == 0


async def test_applying_again_finishes_a_partial_fan_out(stores: ControlStores) -> None:
    stores.network.shards = OTHERS[1:2]
    with pytest.raises(StoreUnavailable):
        await stores.plans.put_plan(sample_plan())
    stores.network.shards = ()
    assert (await stores.plans.put_plan(sample_plan())).change is Change.UNCHANGED
    assert len(await held(stores)) == 1
    assert await stores.plans.finish_fan_outs() == 0


async def test_a_home_shard_out_of_reach_changes_nothing(stores: ControlStores) -> None:
    stores.network.shards = (HOME,)
    with pytest.raises(StoreUnavailable) as failure:
        await stores.plans.put_plan(sample_plan())
    assert not failure.value.outcome_unknown
    stores.network.shards = ()
    assert await stores.plans.get_plan(FREE) is None
    assert await stores.plans.list_plans() == []


async def test_plans_are_listed_by_name(stores: ControlStores) -> None:
    assert await stores.plans.list_plans() == []
    for name in ("scale", "builder", "free"):
        await stores.plans.put_plan(sample_plan(name))
    assert [record.plan.name for record in await stores.plans.list_plans()] == [
        "builder",
        "free",
        "scale",
    ]


async def test_a_deleted_plan_is_gone_from_every_shard(stores: ControlStores) -> None:
    await stores.plans.put_plan(sample_plan())
    assert await stores.plans.delete_plan(FREE)
    assert await stores.plans.get_plan(FREE) is None
    assert await stores.plans.list_plans() == []
    ((_, document),) = await held(stores)
    assert document == b""


async def test_deleting_what_is_not_there_changes_nothing(stores: ControlStores) -> None:
    assert not await stores.plans.delete_plan(FREE)
    await stores.plans.put_plan(sample_plan())
    await stores.plans.delete_plan(FREE)
    assert not await stores.plans.delete_plan(FREE)
    assert len(await entries(stores, HOME)) == 2


async def test_an_older_fan_out_never_brings_a_deleted_plan_back(stores: ControlStores) -> None:
    old = (await stores.plans.put_plan(sample_plan())).record
    await stores.plans.delete_plan(FREE)
    await take(stores, OTHERS[0], old)
    ((_, document),) = await held(stores)
    assert document == b""


async def test_the_sweep_finishes_a_partial_deletion(stores: ControlStores) -> None:
    await stores.plans.put_plan(sample_plan())
    stores.network.shards = OTHERS[1:2]
    with pytest.raises(StoreUnavailable):
        await stores.plans.delete_plan(FREE)
    stores.network.shards = ()
    assert await stores.plans.finish_fan_outs() == 1
    ((_, document),) = await held(stores)
    assert document == b""


async def test_a_plan_that_is_created_again_is_newer_than_its_deletion(
    stores: ControlStores,
) -> None:
    await stores.plans.put_plan(sample_plan())
    await stores.plans.delete_plan(FREE)
    again = await stores.plans.put_plan(sample_plan())
    assert again.change is Change.CREATED
    assert again.record.generation.counter == 3
    assert len(await held(stores)) == 1


async def test_a_home_shard_that_began_anew_passes_what_other_shards_hold(
    stores: ControlStores,
) -> None:
    for fee in range(3):
        await stores.plans.put_plan(replace(sample_plan(), fee_nano_usd=fee))
    await stores.client.execute("DEL", plan_key(HOME, FREE))
    written = await stores.plans.put_plan(replace(sample_plan(), fee_nano_usd=9))
    assert written.change is Change.CREATED
    assert written.record.generation.counter == 4
    assert await held(stores) == {
        (str(written.record.generation).encode(), encode_plan(written.record.plan))
    }


async def test_every_write_is_an_entry_of_the_home_shards_ledger_alone(
    stores: ControlStores,
) -> None:
    written = await stores.plans.put_plan(sample_plan())
    await stores.plans.delete_plan(FREE)
    created, deleted = await entries(stores, HOME)
    assert created == {
        b"v": 1,
        b"k": b"control",
        b"t": written.record.update_us,
        b"e": 1,
        b"d": b"plan",
        b"nm": b"free",
        b"g": str(written.record.generation).encode(),
        b"by": encode_plan(sample_plan()),
    }
    assert b"by" not in deleted
    assert await entries(stores, OTHERS[0]) == []


async def test_the_catalog_is_acknowledged_when_every_shard_has_it(stores: ControlStores) -> None:
    assert await stores.catalogs.get_catalog() is None
    written = await stores.catalogs.put_catalog(sample_catalog())
    assert written.change is Change.CREATED
    assert await stores.catalogs.get_catalog() == written.record
    stores.network.shards = OTHERS[-2:]
    larger = replace(sample_catalog(), annotations={"note": "x" * 100_000})
    with pytest.raises(StoreUnavailable, match="catalog"):
        await stores.catalogs.put_catalog(larger)
    stores.network.shards = ()
    assert await stores.catalogs.finish_fan_outs() == 1
    assert await stores.catalogs.finish_fan_outs() == 0
    assert (await stores.catalogs.put_catalog(larger)).change is Change.UNCHANGED


async def test_a_deleted_catalog_is_gone(stores: ControlStores) -> None:
    assert not await stores.catalogs.delete_catalog()
    await stores.catalogs.put_catalog(sample_catalog())
    assert await stores.catalogs.delete_catalog()
    assert await stores.catalogs.get_catalog() is None
