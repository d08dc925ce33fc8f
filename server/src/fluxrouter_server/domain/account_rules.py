"""What an account must be like to be accepted."""

from collections.abc import Iterator

from fluxrouter_server.domain.accounts import Account, Budget, KeyLimits, KeySecret
from fluxrouter_server.domain.catalog import Catalog
from fluxrouter_server.domain.checks import (
    are_known,
    are_labels,
    at_most,
    in_range,
    is_amount,
    is_metadata,
    is_short,
)
from fluxrouter_server.domain.denials import FieldViolation
from fluxrouter_server.domain.limits import override_rates
from fluxrouter_server.domain.money import format_usd
from fluxrouter_server.domain.names import shown, validate_names, validate_unique
from fluxrouter_server.domain.periods import ZoneError, load_zone
from fluxrouter_server.domain.plan_rules import (
    MAX_DISPLAY_NAME_CHARACTERS,
    MAX_IDS,
    validate_rate_limits,
)
from fluxrouter_server.domain.plans import Overage, Plan, RateLimits

MAX_BUDGETS = 64
MAX_KEYS = 256
#: Kubernetes' own bound.
MAX_SECRET_NAME_CHARACTERS = 253
_LAST_ANCHOR_DAY = 31


def validate_account(
    account: Account, plan: Plan | None, catalog: Catalog | None
) -> tuple[FieldViolation, ...]:
    """Say what of an account is wrong, each with its path in the resource and what would be right.

    `plan` is the one that the account names and `catalog` the one in force, as both will be with
    the account; None where there is none.
    """
    return (
        *_identity(account),
        *_plan(account, plan),
        *_billing(account),
        *_overrides(account, plan),
        *_budgets(account.budgets),
        *_keys(account.keys, catalog),
    )


def _identity(account: Account) -> Iterator[FieldViolation]:
    namespace, _, name = account.name.partition("/")
    yield from validate_names({"metadata.namespace": namespace, "metadata.name": name})
    yield from is_metadata(account.labels, account.annotations)
    yield from is_short(
        "spec.displayName", account.display_name, characters=MAX_DISPLAY_NAME_CHARACTERS
    )


def _plan(account: Account, plan: Plan | None) -> Iterator[FieldViolation]:
    if not account.plan:
        yield FieldViolation("spec.plan", "no plan is named; name one that exists")
    elif plan is None:
        yield FieldViolation(
            "spec.plan", f"unknown plan {shown(account.plan)}; apply it first, or with the account"
        )


def _billing(account: Account) -> Iterator[FieldViolation]:
    yield from in_range(
        "spec.billing.anchorDay",
        account.anchor_day,
        low=1,
        high=_LAST_ANCHOR_DAY,
        remedy="a day of the month from 1 to 31",
    )
    try:
        load_zone(account.time_zone)
    except ZoneError as error:
        yield FieldViolation("spec.billing.timeZone", str(error))


def _overrides(account: Account, plan: Plan | None) -> Iterator[FieldViolation]:
    overrides = account.overrides
    yield from is_amount("spec.overrides.capUsd", overrides.cap_nano_usd)
    yield from is_amount("spec.overrides.hourlyCapUsd", overrides.hourly_cap_nano_usd)
    path = "spec.overrides.rateLimits"
    yield from validate_rate_limits(path, overrides.rate_limits, inherits=True)
    if plan is None:
        return
    if overrides.rate_limits != RateLimits():
        yield from _effective_rates(path, overrides.rate_limits, plan)
    cap = overrides.cap_nano_usd
    if plan.overage is Overage.NONE and cap is not None and cap > plan.included_credit_nano_usd:
        yield FieldViolation(
            "spec.overrides.capUsd",
            f"{format_usd(cap)} exceeds the credit of {format_usd(plan.included_credit_nano_usd)} "
            f"that the plan {plan.name} includes, and it has no overage; lower it",
        )


def _effective_rates(path: str, override: RateLimits, plan: Plan) -> Iterator[FieldViolation]:
    """What only the plan and the override together tell."""
    effective = override_rates(plan.rate_limits, override)
    if override.request_burst is not None and effective.requests_per_second is None:
        yield FieldViolation(
            f"{path}.requestBurst",
            f"neither {path} nor the plan {plan.name} sets requestsPerSecond; set it too",
        )
    if override.token_burst is not None and effective.tokens_per_minute is None:
        yield FieldViolation(
            f"{path}.tokenBurst",
            f"neither {path} nor the plan {plan.name} sets tokensPerMinute; set it too",
        )
    least = plan.holds.min_output_tokens
    if effective.token_burst is not None and effective.token_burst < least:
        yield FieldViolation(
            f"{path}.tokenBurst",
            f"{effective.token_burst} is below the plan's holds.minOutputTokens ({least}), so a "
            "shrunken grant could never pass; raise it",
        )


def _budgets(budgets: tuple[Budget, ...]) -> Iterator[FieldViolation]:
    yield from at_most("spec.budgets", budgets, count=MAX_BUDGETS)
    yield from validate_unique("spec.budgets", [budget.name for budget in budgets], field="name")
    for index, budget in enumerate(budgets):
        path = f"spec.budgets[{index}]"
        yield from validate_names({f"{path}.name": budget.name})
        yield from is_amount(f"{path}.capUsd", budget.cap_nano_usd)
        yield from are_labels(f"{path}.matchLabels", budget.match_labels)
        if not budget.match_labels:
            yield FieldViolation(
                f"{path}.matchLabels",
                "a budget without labels would match every request; give at least one label",
            )


def _keys(keys: tuple[KeyLimits, ...], catalog: Catalog | None) -> Iterator[FieldViolation]:
    yield from at_most("spec.apiKeys", keys, count=MAX_KEYS)
    yield from validate_unique("spec.apiKeys", [key.name for key in keys], field="name")
    known = catalog.models if catalog else {}
    for index, key in enumerate(keys):
        path = f"spec.apiKeys[{index}]"
        yield from validate_names({f"{path}.name": key.name})
        yield from is_amount(f"{path}.capUsd", key.cap_nano_usd)
        if key.expire_us is not None and key.expire_us < 0:
            yield FieldViolation(
                f"{path}.expireTime", "it lies before 1970; give a later time, or leave it out"
            )
        models = key.allowed_models or frozenset()
        yield from at_most(f"{path}.allowedModels", models, count=MAX_IDS)
        yield from are_known(f"{path}.allowedModels", models, known=known, what="model")
        yield from _secret(f"{path}.secret", key.secret)


def _secret(path: str, secret: KeySecret | None) -> Iterator[FieldViolation]:
    """What is kept for a Kubernetes operator; the cluster has judged it already."""
    if secret is None:
        return
    if not secret.name:
        yield FieldViolation(f"{path}.name", "no Secret is named; name one, or leave secret out")
    yield from is_short(f"{path}.name", secret.name, characters=MAX_SECRET_NAME_CHARACTERS)
