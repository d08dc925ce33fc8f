"""The use cases over opened stores, and the servicers over the use cases."""

import time
from collections.abc import Sequence
from dataclasses import dataclass
from secrets import token_bytes

from fluxrouter_server.api.cap_api import CapApi
from fluxrouter_server.api.control_api import ControlApi
from fluxrouter_server.api.ledger_api import LedgerApi
from fluxrouter_server.api.metering_api import MeteringApi
from fluxrouter_server.api.methods import Apis
from fluxrouter_server.api.router_api import RouterApi
from fluxrouter_server.api.secrets_api import SecretsApi
from fluxrouter_server.api.usage_api import UsageApi
from fluxrouter_server.bootstrap.ledger_view import OpenLedger
from fluxrouter_server.bootstrap.stores import Documents, Stores
from fluxrouter_server.calibration.shipped import default_model
from fluxrouter_server.routing.tier_policies import TierPolicies
from fluxrouter_server.services.adjusting import AdjustingService
from fluxrouter_server.services.admissions import Admissions
from fluxrouter_server.services.cap_service import CapService
from fluxrouter_server.services.control_service import ControlService
from fluxrouter_server.services.counter_rebuild import CounterRebuild
from fluxrouter_server.services.credentials import Credentials, TokenReviewer
from fluxrouter_server.services.decisions import Decisions
from fluxrouter_server.services.key_service import KeyService
from fluxrouter_server.services.ledger_check import LedgerCheck
from fluxrouter_server.services.limits_cache import LimitsCache
from fluxrouter_server.services.metering_service import MeteringService
from fluxrouter_server.services.payers import Payers
from fluxrouter_server.services.ports.decision_log import DecisionLog
from fluxrouter_server.services.ports.documents import CredentialRecord
from fluxrouter_server.services.ports.ledger import LedgerReader
from fluxrouter_server.services.ports.telemetry import Telemetry
from fluxrouter_server.services.retention import Retention
from fluxrouter_server.services.routing_service import RouteService
from fluxrouter_server.services.service_credentials import ServiceCredentials
from fluxrouter_server.services.sweeping import Sweeping
from fluxrouter_server.services.unknown_outcomes import UnknownOutcomes
from fluxrouter_server.services.usage_service import UsageService
from fluxrouter_server.store.counters import ValkeyCounterStore

__all__ = ["UseCases", "build_apis", "build_use_cases", "tier_policies"]


@dataclass(frozen=True, slots=True)
class UseCases:
    """What a server does, and what it does in the background (`unknown`, `sweeping`)."""

    routes: RouteService
    metering: MeteringService
    caps: CapService
    usage: UsageService
    adjusting: AdjustingService
    rebuild: CounterRebuild
    retention: Retention
    control: ControlService
    keys: KeyService
    service_credentials: ServiceCredentials
    authenticator: Credentials
    unknown: UnknownOutcomes
    sweeping: Sweeping


def build_use_cases(
    stores: Stores,
    telemetry: Telemetry,
    *,
    ledger: OpenLedger,
    configured: Sequence[CredentialRecord],
    local_allowed: bool,
    log: DecisionLog,
    reviewer: TokenReviewer | None = None,
) -> UseCases:
    """Puts the use cases together.

    Args:
        stores: What they decide upon.
        telemetry: What they count to.
        ledger: What usage is read from, and kept in order.
        configured: Service credentials of the settings.
        local_allowed: Whether calls without any credential may do everything.
        log: Where choices of tiers are kept for calibration.
        reviewer: Who verifies tokens that somebody else issues; None lets none in.
    """
    control = stores.control
    cache = _cache(stores)
    decisions = Decisions(cache=cache, holds=stores.holds, telemetry=telemetry)
    payers = Payers(cache)
    policies = tier_policies()
    admissions = Admissions(clock=stores.clock, choosers=policies)
    unknown = UnknownOutcomes(holds=stores.holds, telemetry=telemetry)
    return UseCases(
        routes=RouteService(
            admissions=admissions,
            decisions=decisions,
            payers=payers,
            unknown=unknown,
            clock=stores.clock,
            telemetry=telemetry,
            log=log,
            random=token_bytes,
        ),
        metering=MeteringService(
            decisions=decisions, payers=payers, holds=stores.holds, telemetry=telemetry, log=log
        ),
        caps=_caps(stores, admissions, decisions, payers),
        usage=_usage(stores, decisions, payers, ledger.reader),
        adjusting=_adjusting(stores, decisions, payers, ledger.reader),
        retention=Retention(upkeep=ledger.upkeep, clock=stores.clock),
        rebuild=_rebuild(stores, payers, ledger.reader),
        control=_control(control, policies),
        keys=KeyService(accounts=control.accounts, clock=stores.clock, random=token_bytes),
        service_credentials=_service_credentials(stores),
        authenticator=_credentials(
            stores, cache, configured, local_allowed=local_allowed, reviewer=reviewer
        ),
        unknown=unknown,
        sweeping=_sweeping(stores, telemetry),
    )


def _credentials(
    stores: Stores,
    cache: LimitsCache,
    configured: Sequence[CredentialRecord],
    *,
    local_allowed: bool,
    reviewer: TokenReviewer | None,
) -> Credentials:
    return Credentials(
        cache=cache,
        store=stores.quick.credentials,
        configured=configured,
        local_allowed=local_allowed,
        monotonic=time.monotonic,
        reviewer=reviewer,
    )


def _caps(
    stores: Stores, admissions: Admissions, decisions: Decisions, payers: Payers
) -> CapService:
    return CapService(admissions=admissions, decisions=decisions, payers=payers, holds=stores.holds)


def _adjusting(
    stores: Stores, decisions: Decisions, payers: Payers, ledger: LedgerReader
) -> AdjustingService:
    return AdjustingService(
        decisions=decisions, payers=payers, store=stores.adjustments, ledger=ledger
    )


def _rebuild(stores: Stores, payers: Payers, ledger: LedgerReader) -> CounterRebuild:
    return CounterRebuild(
        counters=ValkeyCounterStore(stores.client),
        restorer=stores.restorer,
        ledger=ledger,
        payers=payers,
        problem=stores.problem,
    )


def _service_credentials(stores: Stores) -> ServiceCredentials:
    return ServiceCredentials(
        store=stores.control.credentials, clock=stores.clock, random=token_bytes
    )


def _control(stores: Documents, policies: TierPolicies) -> ControlService:
    return ControlService(
        plans=stores.plans, accounts=stores.accounts, catalogs=stores.catalogs, policies=policies
    )


def tier_policies() -> TierPolicies:
    """Returns what makes choosers of catalogs; the package's model is read here, by no decision."""
    return TierPolicies(default_model())


def _cache(stores: Stores) -> LimitsCache:
    quick = stores.quick
    return LimitsCache(
        accounts=quick.accounts, plans=quick.plans, catalogs=quick.catalogs, clock=stores.clock
    )


def _sweeping(stores: Stores, telemetry: Telemetry) -> Sweeping:
    documents = stores.control
    return Sweeping(
        sweeper=stores.sweeper, fan_outs=(documents.plans, documents.catalogs), telemetry=telemetry
    )


def _usage(
    stores: Stores, decisions: Decisions, payers: Payers, ledger: LedgerReader
) -> UsageService:
    check = LedgerCheck(counters=ValkeyCounterStore(stores.client), ledger=ledger)
    return UsageService(
        decisions=decisions, payers=payers, holds=stores.holds, ledger=ledger, check=check
    )


def build_apis(use_cases: UseCases, stores: Stores) -> Apis:
    """Puts the servicers over the use cases."""
    return Apis(
        router=RouterApi(use_cases.routes),
        metering=MeteringApi(use_cases.metering),
        cap=CapApi(use_cases.caps, stores.clock),
        control=ControlApi(use_cases.control),
        secrets=SecretsApi(use_cases.keys, use_cases.service_credentials),
        usage=UsageApi(use_cases.usage),
        ledger=LedgerApi(use_cases.adjusting, use_cases.rebuild, use_cases.retention),
    )
