"""Replicas of the use cases on one real store, each with a memory of its own."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from secrets import token_bytes
from typing import Self

from fluxrouter_server.routing.rules import PlainTierRule
from fluxrouter_server.routing.tier_policies import TierPolicies
from fluxrouter_server.services.admissions import Admissions
from fluxrouter_server.services.cap_service import CapService
from fluxrouter_server.services.control_service import ControlService
from fluxrouter_server.services.decisions import Decisions
from fluxrouter_server.services.key_service import KeyService
from fluxrouter_server.services.limits_cache import LimitsCache
from fluxrouter_server.services.metering_service import MeteringService
from fluxrouter_server.services.payers import Payers
from fluxrouter_server.services.ports.decision_log import NoDecisionLog
from fluxrouter_server.services.ports.holds import HoldStore
from fluxrouter_server.services.routing_service import RouteService
from fluxrouter_server.services.unknown_outcomes import UnknownOutcomes
from fluxrouter_server.store.client import ClientSettings, StoreClient
from fluxrouter_server.store.clock import SimulatedClock
from fluxrouter_server.store.hold_calls import HoldCalls
from fluxrouter_server.store.hold_store import ValkeyHoldStore
from fluxrouter_server.store.hold_timing import HoldTiming
from fluxrouter_testing.catalogs import full_catalog
from fluxrouter_testing.control_stores import SCRIPTS, ControlStores, control_stores
from fluxrouter_testing.port_doubles import Counts
from fluxrouter_testing.resources import sample_account, sample_plan
from fluxrouter_testing.tier_models import tier_model
from fluxrouter_testing.valkey import ThrowawayValkey

__all__ = ["Replica", "Replicas", "replicas"]


@dataclass(frozen=True)
class Replica:
    """The use cases of one server process."""

    route: RouteService
    metering: MeteringService
    caps: CapService
    control: ControlService
    keys: KeyService
    unknown: UnknownOutcomes
    cache: LimitsCache

    @classmethod
    def over(cls, stores: ControlStores, holds: HoldStore) -> Self:
        """A replica that remembers nothing yet."""
        clock = SimulatedClock(lambda: stores.clock.now_us)
        counts = Counts()
        cache = LimitsCache(
            accounts=stores.accounts, plans=stores.plans, catalogs=stores.catalogs, clock=clock
        )
        decisions = Decisions(cache=cache, holds=holds, telemetry=counts)
        payers = Payers(cache)
        admissions = Admissions(clock=clock, choosers=PlainTierRule())
        unknown = UnknownOutcomes(holds=holds, telemetry=counts)
        return cls(
            route=RouteService(
                admissions=admissions,
                decisions=decisions,
                payers=payers,
                unknown=unknown,
                clock=clock,
                telemetry=counts,
                log=NoDecisionLog(),
                random=token_bytes,
            ),
            metering=MeteringService(
                decisions=decisions,
                payers=payers,
                holds=holds,
                telemetry=counts,
                log=NoDecisionLog(),
            ),
            caps=CapService(admissions=admissions, decisions=decisions, payers=payers, holds=holds),
            control=ControlService(
                plans=stores.plans,
                accounts=stores.accounts,
                catalogs=stores.catalogs,
                policies=TierPolicies(tier_model()),
            ),
            keys=KeyService(accounts=stores.accounts, clock=clock, random=token_bytes),
            unknown=unknown,
            cache=cache,
        )


@dataclass(frozen=True)
class Replicas:
    """Two replicas, `here` and `there`, over one store with a simulated clock."""

    stores: ControlStores
    here: Replica
    there: Replica

    async def seed(self) -> None:
        """Apply a catalog, the Free plan and an account with a card."""
        await self.here.control.apply(
            [full_catalog(), sample_plan(), sample_account()], validate_only=False
        )


@asynccontextmanager
async def replicas(
    server: ThrowawayValkey, *, decision_seconds: float = 10.0
) -> AsyncIterator[Replicas]:
    """Two replicas whose decisions wait for the store so long at most."""
    settings = ClientSettings(timeout_seconds=decision_seconds)
    async with (
        control_stores(server) as stores,
        StoreClient(server.address, scripts=SCRIPTS, settings=settings) as client,
    ):
        await client.wait_ready(10)
        timing = HoldTiming()
        calls = HoldCalls(
            client,
            SCRIPTS,
            lives=stores.layout,
            clock=SimulatedClock(lambda: stores.clock.now_us),
            timing=timing,
        )
        holds = ValkeyHoldStore(calls, most_backlog_entries=timing.most_backlog_entries)
        both = Replicas(stores, Replica.over(stores, holds), Replica.over(stores, holds))
        await both.seed()
        yield both
