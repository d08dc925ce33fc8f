"""Whether a resource may be sent to the server at all, and what the server's refusal means."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from fluxrouter_operator.decisions.conditions import ACCEPTED, Finding, State
from fluxrouter_operator.decisions.reasons import Reason
from fluxrouter_operator.decisions.selectors import selects
from fluxrouter_operator.observed import Observed

__all__ = ["AccountWorld", "deletion_refused", "judge_account", "refused"]

# Of many accounts that use a plan a message names so many.
_NAMED_ACCOUNTS = 3


@dataclass(frozen=True, slots=True)
class AccountWorld:
    """What decides about an account, gathered: its plan, where there is one, and its namespace.

    `plan_enforced` tells whether the server knows the plan; `namespace_labels` are None where the
    namespace has not been seen yet.
    """

    account: Observed
    plan: Observed | None
    plan_enforced: bool
    namespace_labels: Mapping[str, str] | None


def judge_account(world: AccountWorld) -> Finding:
    """Say whether an account may be applied, by the first check that objects."""
    for check in _CHECKS:
        if (objection := check(world)) is not None:
            return objection
    return ACCEPTED


def refused(message: str) -> Finding:
    """Return what a refusal by the server means for the resource."""
    return Finding(State.FALSE, Reason.REFUSED, f"The server refused it: {message}")


def deletion_refused(users: Sequence[str]) -> Finding:
    """Return why a plan cannot be deleted, given the accounts that use it."""
    named = ", ".join(sorted(users)[:_NAMED_ACCOUNTS])
    more = f" and {len(users) - _NAMED_ACCOUNTS} more" if len(users) > _NAMED_ACCOUNTS else ""
    verb = "account uses" if len(users) == 1 else "accounts use"
    return Finding(
        State.FALSE,
        Reason.DELETION_REFUSED,
        f"{len(users)} {verb} it ({named}{more}): give them another plan, and it will be deleted. "
        "Until then it stays in force.",
    )


def _plan_exists(world: AccountWorld) -> Finding | None:
    if world.plan is not None:
        return None
    return Finding(
        State.FALSE,
        Reason.PLAN_NOT_FOUND,
        f"There is no Plan {_plan_name(world)}: apply it, or correct spec.plan.",
    )


def _namespace_allowed(world: AccountWorld) -> Finding | None:
    if world.plan is None:
        return None
    selector = world.plan.spec.get("namespaceSelector")
    if not selector or selects(selector, world.namespace_labels or {}):
        return None
    return Finding(
        State.FALSE,
        Reason.NAMESPACE_NOT_ALLOWED,
        f"The Plan {_plan_name(world)} is not for the namespace {world.account.key.namespace}: "
        "choose another plan, or ask whoever owns the plan to widen its namespaceSelector.",
    )


def _plan_enforced(world: AccountWorld) -> Finding | None:
    if world.plan_enforced:
        return None
    return Finding(
        State.FALSE,
        Reason.PLAN_NOT_ENFORCED,
        f"The Plan {_plan_name(world)} is not in force at the server: see its conditions.",
    )


def _plan_name(world: AccountWorld) -> str:
    return str(world.account.spec.get("plan", ""))


_CHECKS: Sequence[Callable[[AccountWorld], Finding | None]] = (
    _plan_exists,
    _namespace_allowed,
    _plan_enforced,
)
