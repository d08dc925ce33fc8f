import asyncio
import json
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from fluxrouter_server.domain.ids import PlanName
from fluxrouter_server.services.ports.errors import StoreRefused, StoreUnavailable
from fluxrouter_server.store.client import StoreClient
from fluxrouter_server.store.clock import EstimatedClock, ScriptClock, SimulatedClock
from fluxrouter_server.store.initialisation import initialise, reinitialise
from fluxrouter_server.store.keys import SHARDS, meta_key
from fluxrouter_server.store.layout import NO_MARKER, ClockKind
from fluxrouter_server.store.layout_keeper import LayoutKeeper
from fluxrouter_server.store.plan_store import ValkeyPlanStore
from fluxrouter_server.store.shard_calls import ShardCalls
from fluxrouter_server.store.witness import Witness
from fluxrouter_testing.control_stores import SCRIPTS, TestClock, connected, control_stores
from fluxrouter_testing.resources import sample_account, sample_plan
from fluxrouter_testing.valkey import ThrowawayValkey, running_valkey
from fluxrouter_testing.waiting import eventually_async


@pytest.fixture
async def client(shared_valkey: ThrowawayValkey) -> AsyncIterator[StoreClient]:
    async with connected(shared_valkey) as built:
        yield built


def embedded(client: StoreClient, directory: Path) -> LayoutKeeper:
    return LayoutKeeper(client, SCRIPTS, clock=ClockKind.REAL, witness=Witness(directory))


def external(client: StoreClient, *, may_initialise: bool = False) -> LayoutKeeper:
    return LayoutKeeper(client, SCRIPTS, clock=ClockKind.REAL, may_initialise=may_initialise)


def fence(layout: LayoutKeeper) -> str:
    return layout.fence or ""


def plans(
    client: StoreClient, layout: LayoutKeeper, clock: ScriptClock | None = None
) -> ValkeyPlanStore:
    return ValkeyPlanStore(
        ShardCalls(client, SCRIPTS, lives=layout, clock=clock or EstimatedClock())
    )


async def test_a_new_embedded_store_is_initialised_and_witnessed(
    client: StoreClient, tmp_path: Path
) -> None:
    layout = embedded(client, tmp_path)
    await layout.open()
    assert fence(layout) == ""
    assert len(set(layout.markers)) == SHARDS
    assert set(layout.epochs) == {1}
    file = tmp_path / "layout.json"
    assert file.stat().st_mode & 0o777 == 0o600
    assert [marker for _, marker in json.loads(file.read_text())["lives"]] == list(layout.markers)


async def test_servers_that_initialise_at_the_same_time_agree(
    client: StoreClient, tmp_path: Path
) -> None:
    layouts = [embedded(client, tmp_path) for _ in range(4)]
    await asyncio.gather(*(layout.open() for layout in layouts))
    assert len({layout.markers for layout in layouts}) == 1
    assert {layout.fence for layout in layouts} == {None}


async def test_who_initialises_second_finds_the_first_ones_identities(
    client: StoreClient,
) -> None:
    layout = external(client, may_initialise=True)
    await layout.open()
    await initialise(client, SCRIPTS, ClockKind.REAL)
    again = external(client)
    await again.open()
    assert again.markers == layout.markers


async def test_an_empty_store_is_not_taken_for_new_while_the_ledger_is_away(
    client: StoreClient,
) -> None:
    layout = LayoutKeeper(client, SCRIPTS, clock=ClockKind.REAL, may_initialise=True, is_known=None)
    with pytest.raises(StoreUnavailable, match="the ledger, which would tell"):
        await layout.open()
    assert await client.execute("DBSIZE") == 0


async def test_a_store_that_is_opened_again_is_the_same(
    client: StoreClient, tmp_path: Path
) -> None:
    first, again = embedded(client, tmp_path), embedded(client, tmp_path)
    await first.open()
    await again.open()
    assert fence(again) == ""
    assert again.markers == first.markers


async def test_a_whole_store_without_its_witness_is_witnessed_again(
    client: StoreClient, tmp_path: Path
) -> None:
    await embedded(client, tmp_path).open()
    before = (tmp_path / "layout.json").read_text()
    (tmp_path / "layout.json").unlink()
    layout = embedded(client, tmp_path)
    await layout.open()
    assert fence(layout) == ""
    assert (tmp_path / "layout.json").read_text() == before


async def test_an_embedded_store_that_came_back_empty_stays_fenced(
    client: StoreClient, tmp_path: Path
) -> None:
    await embedded(client, tmp_path).open()
    await client.execute("FLUSHALL")
    for _ in range(2):
        layout = embedded(client, tmp_path)
        await layout.open()
        assert "doctor --reinitialize" in fence(layout)
        with pytest.raises(StoreUnavailable, match="lost its data"):
            await plans(client, layout).put_plan(sample_plan())
    assert await client.execute("DBSIZE") == 0


async def test_an_embedded_store_that_is_another_one_stays_fenced(
    client: StoreClient, tmp_path: Path
) -> None:
    await embedded(client, tmp_path).open()
    await client.execute("FLUSHALL")
    await external(client, may_initialise=True).open()
    layout = embedded(client, tmp_path)
    await layout.open()
    assert "other data" in fence(layout)


async def test_a_running_server_notices_the_loss_and_says_what_to_do(
    client: StoreClient, tmp_path: Path
) -> None:
    layout = embedded(client, tmp_path)
    await layout.open()
    store = plans(client, layout)
    await client.execute("FLUSHALL")
    with pytest.raises(StoreUnavailable) as failure:
        await store.get_plan(PlanName("free"))
    assert not failure.value.outcome_unknown
    await layout.refresh()
    assert "every shard is empty" in fence(layout)


async def test_a_running_server_looks_at_the_layout_only_where_something_was_lost(
    client: StoreClient,
) -> None:
    layout = external(client, may_initialise=True)
    await layout.open()
    await client.execute("FLUSHALL")
    await layout.refresh()
    assert fence(layout) == ""
    layout.report_lost(0)
    await layout.refresh()
    assert fence(layout) != ""


async def test_an_empty_external_store_is_initialised_only_when_told_so(
    client: StoreClient,
) -> None:
    layout = external(client)
    await layout.open()
    assert "doctor --reinitialize" in fence(layout)
    assert await client.execute("DBSIZE") == 0
    told = external(client, may_initialise=True)
    await told.open()
    assert fence(told) == ""
    await layout.refresh()
    assert fence(layout) == ""
    assert layout.markers == told.markers


async def test_a_loss_of_one_shard_fences_that_shard_alone(client: StoreClient) -> None:
    layout = external(client, may_initialise=True)
    await layout.open()
    store = plans(client, layout)
    names = [PlanName(f"p{n}") for n in range(3)]
    for name in names:
        await store.put_plan(sample_plan(name))
    await client.execute("DEL", meta_key(255))
    with pytest.raises(StoreUnavailable, match="shard ff"):
        await store.put_plan(sample_plan("other"))
    await layout.refresh()
    assert "shard ff is empty" in fence(layout)
    assert await store.get_plan(names[0]) is not None


async def test_a_reinitialised_store_begins_the_next_epoch_and_keeps_nothing(
    client: StoreClient, tmp_path: Path
) -> None:
    layout = embedded(client, tmp_path)
    await layout.open()
    await plans(client, layout).put_plan(sample_plan())
    await client.execute("SET", "somebody-elses", "key")
    await client.execute("HSET", meta_key(0), "bucket", 10**9)
    lives = await reinitialise(client, SCRIPTS, clock=ClockKind.REAL, witness=Witness(tmp_path))
    assert {life.epoch for life in lives} == {2}
    assert not {life.marker for life in lives} & set(layout.markers)
    fresh = embedded(client, tmp_path)
    await fresh.open()
    assert fence(fresh) == ""
    assert set(fresh.epochs) == {2}
    assert await plans(client, fresh).list_plans() == []
    assert await client.execute("HEXISTS", meta_key(0), "bucket") == 0
    assert await client.execute("GET", "somebody-elses") == b"key"


async def test_a_lost_store_is_reinitialised_above_the_epoch_that_its_witness_knew(
    client: StoreClient, tmp_path: Path
) -> None:
    layout = embedded(client, tmp_path)
    await layout.open()
    await client.execute("FLUSHALL")
    layout.report_lost(0)
    await layout.refresh()
    assert fence(layout) != ""
    lives = await reinitialise(client, SCRIPTS, clock=ClockKind.REAL, witness=Witness(tmp_path))
    assert {life.epoch for life in lives} == {2}
    await layout.refresh()
    assert fence(layout) == ""
    assert layout.markers == tuple(life.marker for life in lives)


async def test_running_servers_of_an_external_store_take_up_an_explicit_reinitialisation(
    client: StoreClient,
) -> None:
    layout = external(client, may_initialise=True)
    await layout.open()
    await client.execute("FLUSHALL")
    lives = await reinitialise(client, SCRIPTS, clock=ClockKind.REAL)
    with pytest.raises(StoreUnavailable):
        await plans(client, layout).list_plans()
    await layout.refresh()
    assert fence(layout) == ""
    assert layout.markers == tuple(life.marker for life in lives)
    assert min(layout.epochs) > 1


async def test_running_servers_never_take_up_a_store_that_was_merely_initialised_anew(
    client: StoreClient,
) -> None:
    layout = external(client, may_initialise=True)
    await layout.open()
    await client.execute("FLUSHALL")
    await external(client, may_initialise=True).open()
    layout.report_lost(0)
    await layout.refresh()
    assert "other data" in fence(layout)


async def test_a_damaged_witness_is_mended_by_a_reinitialisation(
    client: StoreClient, tmp_path: Path
) -> None:
    await embedded(client, tmp_path).open()
    (tmp_path / "layout.json").write_text("{")
    with pytest.raises(StoreRefused, match="is no layout file"):
        await embedded(client, tmp_path).open()
    await reinitialise(client, SCRIPTS, clock=ClockKind.REAL, witness=Witness(tmp_path))
    layout = embedded(client, tmp_path)
    await layout.open()
    assert fence(layout) == ""


@pytest.mark.parametrize("field, value", [("layout", "2"), ("shards", "128"), ("hash", "xxh")])
async def test_a_store_of_another_layout_is_refused(
    client: StoreClient, field: str, value: str
) -> None:
    await external(client, may_initialise=True).open()
    await client.execute("HSET", meta_key(3), field, value)
    with pytest.raises(StoreRefused, match="run the server version that wrote it"):
        await external(client).open()


async def test_a_store_of_a_simulated_clock_refuses_a_server_on_the_real_one(
    shared_valkey: ThrowawayValkey,
) -> None:
    async with control_stores(shared_valkey) as stores:
        with pytest.raises(StoreRefused, match="initialised for a simulated clock"):
            await external(stores.client).open()
        with pytest.raises(StoreRefused, match="has clock simulated"):
            await plans(stores.client, stores.layout).list_plans()


async def test_a_store_of_the_real_clock_refuses_a_simulated_one(client: StoreClient) -> None:
    layout = external(client, may_initialise=True)
    await layout.open()
    simulated = LayoutKeeper(client, SCRIPTS, clock=ClockKind.SIMULATED)
    with pytest.raises(StoreRefused, match="initialised for a real clock"):
        await simulated.open()
    clock = SimulatedClock(lambda: TestClock().now_us)
    with pytest.raises(StoreRefused, match="has clock real"):
        await plans(client, layout, clock).list_plans()


async def test_nothing_is_decided_before_the_layout_was_read(client: StoreClient) -> None:
    await external(client, may_initialise=True).open()
    unread = external(client)
    with pytest.raises(StoreUnavailable, match="has not been read yet"):
        await plans(client, unread).list_plans()


async def test_a_reinitialisation_that_ended_half_way_is_completed_by_the_next(
    shared_valkey: ThrowawayValkey,
) -> None:
    async with control_stores(shared_valkey) as stores:
        await stores.accounts.put_account(sample_account())
        await stores.client.evaluate(SCRIPTS["close_shard"], [meta_key(9)], [1])
        again = LayoutKeeper(stores.client, SCRIPTS, clock=ClockKind.SIMULATED)
        await again.open()
        assert "did not come to its end" in fence(again)
        lives = await reinitialise(stores.client, SCRIPTS, clock=ClockKind.SIMULATED)
        assert {life.epoch for life in lives} == {3}
        await again.refresh()
        assert fence(again) == ""


async def answers(client: StoreClient) -> bool:
    try:
        await client.execute("PING")
    except StoreUnavailable:
        return False
    return True


async def test_a_store_that_was_restarted_is_trusted_only_when_it_was_compared() -> None:
    with running_valkey(durable=True) as server:
        async with connected(server) as client:
            layout = LayoutKeeper(client, SCRIPTS, clock=ClockKind.REAL, may_initialise=True)
            await layout.open()
            await layout.accept(client.life)
            trusted = layout.markers
            server.kill()
            server.start()
            await eventually_async(lambda: answers(client), timeout_seconds=30)
            assert set(layout.markers) == {NO_MARKER}
            await layout.refresh()
            assert "compared with the ledger" in (layout.fence or "")
            await layout.accept(client.life)
            assert (layout.fence, layout.markers) == (None, trusted)


async def test_a_store_that_nobody_compares_is_trusted_after_a_restart() -> None:
    with running_valkey(durable=True) as server:
        async with connected(server) as client:
            layout = LayoutKeeper(client, SCRIPTS, clock=ClockKind.REAL, may_initialise=True)
            await layout.open()
            await layout.accept(client.life)
            await layout.accept_any()
            server.kill()
            server.start()
            await eventually_async(lambda: answers(client), timeout_seconds=30)
            assert layout.fence is None
            assert NO_MARKER not in layout.markers
