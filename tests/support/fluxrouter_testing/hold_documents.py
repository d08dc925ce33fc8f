"""Documents and candidates for tests of holds: the smallest ones that are whole."""

from dataclasses import replace
from typing import Final

from fluxrouter_server.domain.accounts import Account, LimitOverrides, PaymentMethod
from fluxrouter_server.domain.holds import Candidate, PricedModel
from fluxrouter_server.domain.ids import AccountName, LaneId, ModelId, PlanName
from fluxrouter_server.domain.plans import Enforcement, HoldRules, Overage, Plan, RateLimits
from fluxrouter_server.domain.pricing import Rates

__all__ = [
    "DOLLAR",
    "HOUR_US",
    "SECOND_US",
    "START_US",
    "candidate",
    "free_account",
    "free_plan",
]

DOLLAR: Final = 1_000_000_000
SECOND_US: Final = 1_000_000
HOUR_US: Final = 3600 * SECOND_US
START_US: Final = 1_790_000_000 * SECOND_US
"""Mid-September 2026, so the open month has a start and an end on either side."""

_RATES: Final = Rates(1 * DOLLAR, DOLLAR // 4, DOLLAR * 5 // 4, 4 * DOLLAR)


def candidate(
    model: str = "fast-1",
    *,
    input_tokens: int = 1_000,
    output_tokens: int = 1_000,
    choices: int = 1,
    rates: Rates = _RATES,
) -> Candidate:
    """A candidate at $1.25 (dearest input) and $4 for 1M tokens: 5.25 milli-dollars by default."""
    return Candidate(
        priced=PricedModel(
            model=ModelId(model),
            lane=LaneId("express"),
            upstream="provider",
            upstream_model=f"{model}-latest",
            rates=rates,
        ),
        input_tokens=input_tokens,
        output_tokens=output_tokens,
        choices=choices,
    )


def free_plan(**changes: object) -> Plan:
    """A plan of $1 without rate limits, whose overdue holds are charged after 120 s."""
    plan = Plan(
        name=PlanName("free"),
        display_name="Free",
        description="",
        fee_nano_usd=0,
        included_credit_nano_usd=DOLLAR,
        cap_nano_usd=DOLLAR,
        ceiling_nano_usd=None,
        overage=Overage.NONE,
        hourly_cap_nano_usd=None,
        rate_limits=RateLimits(),
        lanes=None,
        models=None,
        payment_method_required=False,
        enforcement=Enforcement.ENFORCE,
        holds=HoldRules(),
        alert_percents=(80, 100),
    )
    return replace(plan, **changes)  # type: ignore[arg-type]


def free_account() -> Account:
    """An account on the Free plan without keys or budgets; months begin on the first, UTC."""
    return Account(
        name=AccountName("team/acme"),
        display_name="Acme",
        plan=PlanName("free"),
        anchor_day=1,
        time_zone="UTC",
        payment_method=PaymentMethod.NONE,
        suspended=False,
        overrides=LimitOverrides(),
        budgets=(),
        keys=(),
    )
