"""What takes the place of documents that are gone, so that open holds can still be ended.

A deleted account's plan may be deleted while its last answers still run. Their settlement needs
caps; a plan that is gone leaves room for nothing new, so only what was held can be billed.
"""

from typing import Final

from fluxrouter_server.domain.catalog import Catalog
from fluxrouter_server.domain.ids import PlanName
from fluxrouter_server.domain.limits import CatalogRecord, Generation, PlanRecord
from fluxrouter_server.domain.plans import Enforcement, HoldRules, Overage, Plan, RateLimits

# No stored document has it: counters begin at 1.
_NEVER: Final = Generation(0, "00000000")

#: A catalog that has nothing.
EMPTY_CATALOG: Final = CatalogRecord(
    Catalog(lanes={}, models={}, tiers={}, aliases={}), _NEVER, update_us=0
)


def closed_plan(name: PlanName) -> PlanRecord:
    """Return a plan that allows nothing more."""
    plan = Plan(
        name=name,
        display_name="",
        description="",
        fee_nano_usd=0,
        included_credit_nano_usd=0,
        cap_nano_usd=0,
        ceiling_nano_usd=None,
        overage=Overage.NONE,
        hourly_cap_nano_usd=None,
        rate_limits=RateLimits(),
        lanes=None,
        models=None,
        payment_method_required=False,
        enforcement=Enforcement.ENFORCE,
        holds=HoldRules(),
        alert_percents=(),
    )
    return PlanRecord(plan, _NEVER, update_us=0)
