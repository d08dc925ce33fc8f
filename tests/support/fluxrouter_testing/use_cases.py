"""The use cases wired to the ports in memory, with one account that may route."""

import asyncio
from collections.abc import Callable
from dataclasses import dataclass, field

from fluxrouter_server.domain.ids import AccountName
from fluxrouter_server.routing.rules import PlainTierRule
from fluxrouter_server.services.admissions import Admissions
from fluxrouter_server.services.callers import AccountRef
from fluxrouter_server.services.cap_service import CapService
from fluxrouter_server.services.decisions import Decisions
from fluxrouter_server.services.limits_cache import LimitsCache
from fluxrouter_server.services.metering_service import MeteringService
from fluxrouter_server.services.payers import Payers
from fluxrouter_server.services.ports.decision_log import NoDecisionLog
from fluxrouter_server.services.routing_service import RouteService
from fluxrouter_server.services.unknown_outcomes import UnknownOutcomes
from fluxrouter_testing.catalogs import full_catalog
from fluxrouter_testing.port_doubles import Counts, FixedClock, MemoryDocuments, MemoryHolds
from fluxrouter_testing.resources import sample_account, sample_plan

ACCOUNT = AccountName("demo/free")
BY_NAME = AccountRef(name=ACCOUNT)


async def pass_at_once(seconds: float) -> None:  # noqa: ARG001
    """Sleep for no time, but let others run."""
    await asyncio.sleep(0)


def counting_random() -> Callable[[int], bytes]:
    """A source of bytes that differ each time and are the same in each test."""
    drawn = 0

    def random(count: int) -> bytes:
        nonlocal drawn
        drawn += 1
        return drawn.to_bytes(count, "big")

    return random


@dataclass(slots=True)
class UseCases:
    """One replica. Give several the same documents and holds to have several replicas."""

    documents: MemoryDocuments = field(default_factory=MemoryDocuments)
    holds: MemoryHolds = field(init=False)
    clock: FixedClock = field(default_factory=FixedClock)
    counts: Counts = field(default_factory=Counts)
    cache: LimitsCache = field(init=False)
    unknown: UnknownOutcomes = field(init=False)
    route: RouteService = field(init=False)
    metering: MeteringService = field(init=False)
    caps: CapService = field(init=False)

    def __post_init__(self) -> None:
        """Wire it."""
        self.holds = MemoryHolds(self.documents)
        self.cache = LimitsCache(
            accounts=self.documents,
            plans=self.documents,
            catalogs=self.documents,
            clock=self.clock,
        )
        decisions = Decisions(cache=self.cache, holds=self.holds, telemetry=self.counts)
        payers = Payers(self.cache)
        admissions = Admissions(clock=self.clock, choosers=PlainTierRule())
        self.unknown = UnknownOutcomes(holds=self.holds, telemetry=self.counts, capacity=2)
        self.route = RouteService(
            admissions=admissions,
            decisions=decisions,
            payers=payers,
            unknown=self.unknown,
            clock=self.clock,
            telemetry=self.counts,
            log=NoDecisionLog(),
            random=counting_random(),
        )
        self.metering = MeteringService(
            decisions=decisions,
            payers=payers,
            holds=self.holds,
            telemetry=self.counts,
            log=NoDecisionLog(),
        )
        self.caps = CapService(
            admissions=admissions,
            decisions=decisions,
            payers=payers,
            holds=self.holds,
            sleep=pass_at_once,
        )

    async def seed(self) -> None:
        """Store the catalog, the Free plan and one account with a card."""
        await self.documents.put_catalog(full_catalog())
        await self.documents.put_plan(sample_plan())
        await self.documents.put_account(sample_account())
