"""The resources that benchmarks route for: caps on every level, rates that never deny."""

from pathlib import Path

from fluxrouter.v1 import account_pb2, cap_pb2, control_pb2, plan_pb2
from fluxrouter_server.cli.resource_files import API_VERSION, read_resources
from fluxrouter_server.cli.session import Session

_RESOURCES = Path(__file__).resolve().parents[1] / "examples" / "resources"
_BATCH = 500


def prepare(session: Session, *, accounts: int, plan: str = "bench", first: int = 0) -> list[str]:
    """Applies the example catalog, a plan with every limit, and accounts; returns their names.

    They are numbered from `first` on and end before `accounts`.
    """
    names = [f"{plan}-{number}" for number in range(first, accounts)]
    resources = [*read_resources([str(_RESOURCES)]), _plan(plan, "9000000")]
    resources += [_account(name, plan) for name in names]
    _apply(session, resources)
    return names


def prepare_capped(
    session: Session, account: str | None, cap_usd: str, *, plan: str = "bench-capped"
) -> None:
    """Applies a plan with a cap that the load will reach, and an account of it if one is named."""
    accounts = [_account(account, plan)] if account is not None else []
    _apply(session, [_plan(plan, cap_usd), *accounts])


def overspend_nano_usd(session: Session, account: str) -> int:
    """Returns by how much settled and held money are above the cap; 0 is what is promised."""
    spend = _spend(session, account)
    return max(0, spend.settled_nano_usd + spend.held_nano_usd - spend.cap_nano_usd)


def settled_nano_usd(session: Session, account: str) -> int:
    """Returns what the counters say was charged."""
    return _spend(session, account).settled_nano_usd


def _spend(session: Session, account: str) -> cap_pb2.Spend:
    return session.call(session.caps.GetSpend, cap_pb2.GetSpendRequest(account=account)).spend


def _apply(session: Session, resources: list[control_pb2.Resource]) -> None:
    for start in range(0, len(resources), _BATCH):
        session.call(
            session.control.Apply,
            control_pb2.ApplyRequest(resources=resources[start : start + _BATCH]),
        )


def _plan(name: str, cap_usd: str) -> control_pb2.Resource:
    plan = plan_pb2.Plan(api_version=API_VERSION, kind="Plan")
    plan.metadata.name = name
    plan.spec.ceiling_usd = cap_usd
    plan.spec.overage = "metered"
    plan.spec.hourly_cap_usd = cap_usd
    plan.spec.rate_limits.requests_per_second = 1_000_000
    plan.spec.rate_limits.tokens_per_minute = 1_000_000_000
    plan.spec.rate_limits.max_in_flight = 1_000_000
    return control_pb2.Resource(plan=plan)


def _account(name: str, plan: str) -> control_pb2.Resource:
    account = account_pb2.Account(api_version=API_VERSION, kind="Account")
    account.metadata.name = name
    account.spec.plan = plan
    account.spec.payment_method = "card"
    account.spec.budgets.add(name="search", cap_usd="9000000").match_labels["team"] = "search"
    return control_pb2.Resource(account=account)
