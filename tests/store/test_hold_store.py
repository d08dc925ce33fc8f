"""The hold store over the server's own client, on a store with the real clock."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace

import pytest

from fluxrouter_server.domain.catalog import Catalog
from fluxrouter_server.domain.holds import Hold, HoldState, Receipt
from fluxrouter_server.domain.ids import PlanName
from fluxrouter_server.domain.limits import Limits, resolve
from fluxrouter_server.domain.periods import proposed_period
from fluxrouter_server.domain.plans import HoldRules, RateLimits
from fluxrouter_server.domain.pricing import Usage
from fluxrouter_server.services.ports.errors import StoreUnavailable
from fluxrouter_server.services.ports.holds import (
    AdmitCommand,
    Admitted,
    ReleaseCommand,
    SettleCommand,
    SpendReading,
)
from fluxrouter_server.store.account_store import ValkeyAccountStore
from fluxrouter_server.store.catalog_store import ValkeyCatalogStore
from fluxrouter_server.store.clock import EstimatedClock
from fluxrouter_server.store.hold_calls import HoldCalls
from fluxrouter_server.store.hold_store import ValkeyHoldStore
from fluxrouter_server.store.hold_timing import HoldTiming
from fluxrouter_server.store.initialisation import change_layout
from fluxrouter_server.store.keys import account_keys
from fluxrouter_server.store.layout import ClockKind
from fluxrouter_server.store.layout_keeper import LayoutKeeper
from fluxrouter_server.store.plan_store import ValkeyPlanStore
from fluxrouter_server.store.shard_calls import ShardCalls
from fluxrouter_server.store.sweeping import ValkeySweeper
from fluxrouter_testing.control_stores import SCRIPTS, connected
from fluxrouter_testing.hold_documents import HOUR_US, candidate, free_account, free_plan
from fluxrouter_testing.hold_world import EDGE, ref
from fluxrouter_testing.valkey import ThrowawayValkey


@dataclass
class Stores:
    """What one server has of a store."""

    holds: ValkeyHoldStore
    sweeper: ValkeySweeper
    clock: EstimatedClock
    limits: Limits

    def command(self, request_id: str, **changes: object) -> AdmitCommand:
        command = AdmitCommand(
            limits=self.limits,
            principal=EDGE,
            key_hash=None,
            key_name=None,
            request_id=request_id,
            attempt=1,
            digest=bytes(16),
            candidates=(candidate(),),
            proposed_period=proposed_period(None, self.clock.now_us(), 1, "UTC"),
            labels={"team": "suche ☃"},
            model_asked="flux-auto",
            tier=None,
        )
        return replace(command, **changes)

    async def admit(self, request_id: str) -> Admitted:
        answer = await self.holds.admit(self.command(request_id))
        assert isinstance(answer, Admitted), answer
        return answer

    async def release(self, hold: Hold) -> None:
        command = ReleaseCommand(
            uid=self.limits.uid,
            request_id=None,
            attempt=1,
            hold=ref(hold),
            limits=self.limits,
            principal=EDGE,
            may_meter_any=False,
        )
        assert isinstance(await self.holds.release(command), Receipt)


@asynccontextmanager
async def stores(
    server: ThrowawayValkey,
    clock: EstimatedClock | None = None,
    *,
    replay_window_us: int = HOUR_US,
) -> AsyncIterator[Stores]:
    async with connected(server) as client:
        timing = HoldTiming(replay_window_us=replay_window_us)
        await change_layout(client, SCRIPTS, timing.layout)
        layout = LayoutKeeper(
            client, SCRIPTS, clock=ClockKind.REAL, may_initialise=True, layout=timing.layout
        )
        await layout.open()
        clock = clock or EstimatedClock()
        shards = ShardCalls(
            client, SCRIPTS, lives=layout, clock=EstimatedClock(), layout=timing.layout
        )
        plan = free_plan(holds=HoldRules(expiry_seconds=1), rate_limits=RateLimits(1_000, 1_000))
        plan_record = (await ValkeyPlanStore(shards).put_plan(plan)).record
        catalog = (await ValkeyCatalogStore(shards).put_catalog(Catalog({}, {}, {}, {}))).record
        account = (await ValkeyAccountStore(shards).put_account(free_account())).record
        calls = HoldCalls(client, SCRIPTS, lives=layout, clock=clock, timing=timing)
        yield Stores(
            holds=ValkeyHoldStore(calls, most_backlog_entries=timing.most_backlog_entries),
            sweeper=ValkeySweeper(shards, calls),
            clock=clock,
            limits=resolve(account, plan_record, catalog),
        )


async def test_a_request_is_admitted_settled_and_replayed_by_the_stores_own_clock(
    shared_valkey: ThrowawayValkey,
) -> None:
    async with stores(shared_valkey) as server:
        hold = (await server.admit("r")).hold
        assert abs(server.clock.now_us() - time.time_ns() // 1_000) < 1_000_000
        settle = SettleCommand(
            ref(hold), Usage(1_000, 0, 0, 1_000), server.limits, EDGE, may_meter_any=False
        )
        receipt = await server.holds.settle(settle)
        assert isinstance(receipt, Receipt)
        assert receipt.billed_nano_usd == 5_000_000
        assert (await server.admit("r")).hold.state is HoldState.SETTLED
        reading = await server.holds.read_spend(server.limits, server.command("x").proposed_period)
        assert isinstance(reading, SpendReading)
        assert reading.levels[0].settled_nano_usd == 5_000_000


async def test_tombstones_expire_whole_after_twice_the_window(
    shared_valkey: ThrowawayValkey,
) -> None:
    async with stores(shared_valkey) as server:
        await server.release((await server.admit("r")).hold)
        bucket = server.clock.now_us() // HOUR_US
        key = account_keys(server.limits.uid).tombstones(bucket)
        left_ms = shared_valkey.command("PTTL", key)
        end_ms = (bucket + 2) * HOUR_US // 1_000 + 60_000
        assert abs(left_ms + time.time_ns() // 1_000_000 - end_ms) < 2_000


async def test_a_longer_replay_window_is_kept_from_its_first_ending_on(
    shared_valkey: ThrowawayValkey,
) -> None:
    async with stores(shared_valkey) as server:
        await server.release((await server.admit("r")).hold)
        bucket = server.clock.now_us() // HOUR_US
    async with stores(shared_valkey, replay_window_us=24 * HOUR_US) as server:
        await server.release((await server.admit("s")).hold)
        key = account_keys(server.limits.uid).tombstones(bucket)
        assert shared_valkey.command("PTTL", key) >= 24 * HOUR_US // 1_000
        assert (await server.admit("r")).replayed
        assert (await server.admit("s")).replayed


@pytest.mark.parametrize("hours", [-30, 2])
async def test_a_server_with_a_wrong_clock_is_put_right_by_the_first_answer(
    shared_valkey: ThrowawayValkey, hours: int
) -> None:
    wrong = EstimatedClock()
    wrong.observe(time.time_ns() // 1_000 + hours * HOUR_US)
    async with stores(shared_valkey, wrong) as server:
        command = server.command("r", proposed_period=server_period())
        assert isinstance(await server.holds.admit(command), Admitted)
        assert abs(server.clock.now_us() - time.time_ns() // 1_000) < 1_000_000


async def test_many_decisions_at_once_hold_each_what_it_needs(
    shared_valkey: ThrowawayValkey,
) -> None:
    async with stores(shared_valkey) as server:
        answers = await asyncio.gather(*(server.admit(f"r{n}") for n in range(100)))
        ids = {answer.hold.id for answer in answers}
        assert len(ids) == 100
        reading = await server.holds.read_spend(server.limits, server_period())
        assert isinstance(reading, SpendReading)
        assert reading.in_flight == 100
        assert reading.levels[0].held_nano_usd == 100 * 5_250_000


async def test_a_plan_nobody_knows_is_told_as_missing(shared_valkey: ThrowawayValkey) -> None:
    async with stores(shared_valkey) as server:
        stray = replace(server.limits, plan=PlanName("gone"))
        answer = await server.holds.admit(server.command("r", limits=stray))
        assert answer.plan_missing


async def test_a_store_that_hangs_is_unavailable_and_the_outcome_unknown(
    valkey: ThrowawayValkey,
) -> None:
    async with stores(valkey) as server:
        command = server.command("r")
        client = server.holds._calls._client
        client._settings = replace(client._settings, timeout_seconds=0.2)
        valkey.pause()
        try:
            with pytest.raises(StoreUnavailable) as caught:
                await server.holds.admit(command)
        finally:
            valkey.resume()
        assert caught.value.outcome_unknown


def server_period() -> object:
    return proposed_period(None, time.time_ns() // 1_000, 1, "UTC")


async def test_a_full_memory_stops_admissions_and_no_settlement(valkey: ThrowawayValkey) -> None:
    async with stores(valkey) as server:
        hold = (await server.admit("r")).hold
        valkey.command("CONFIG", "SET", "maxmemory", 1)
        with pytest.raises(StoreUnavailable, match="memory") as caught:
            await server.holds.admit(server.command("s"))
        assert not caught.value.outcome_unknown
        usage = Usage(1_000, 0, 0, 1_000)
        settle = SettleCommand(ref(hold), usage, server.limits, EDGE, may_meter_any=False)
        assert isinstance(await server.holds.settle(settle), Receipt)
