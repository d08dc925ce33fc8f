"""`fluxrouter selftest`: one request from its hold to its receipt, on an account of its own."""

from typing import Final

import click

from fluxrouter.v1 import account_pb2, cap_pb2, control_pb2, metering_pb2, plan_pb2, router_pb2
from fluxrouter.v1.metadata_pb2 import ObjectMeta
from fluxrouter_server.cli.output import usd
from fluxrouter_server.cli.session import Session

#: Enough for a request to any model that is sold today, and little to lose.
_CAP_USD: Final = "1.00"
_INPUT_TOKENS: Final = 100
_OUTPUT_TOKENS: Final = 20


@click.command()
@click.option(
    "--account",
    default="default/selftest",
    show_default=True,
    help="Made for the time, with a plan of its own; needs the scopes control, route, meter, read.",
)
@click.option("--model", default="flux-auto", show_default=True, help="Model or alias.")
@click.pass_obj
def selftest(session: Session, /, *, account: str, model: str) -> None:
    """Route and settle a request, and see that the account was charged for it.

    There must be a catalog; nothing calls a model.
    """
    _apply(session, account)
    try:
        before = _settled(session, account)
        hold = session.call(
            session.router.Route,
            router_pb2.RouteRequest(
                account=account,
                model=model,
                input_tokens=_INPUT_TOKENS,
                max_output_tokens=_OUTPUT_TOKENS,
            ),
        )
        click.echo(f"routed to {hold.model}, {usd(hold.held_nano_usd)} held")
        receipt = session.call(
            session.metering.Settle,
            metering_pb2.SettleRequest(
                hold_id=hold.hold_id,
                usage=metering_pb2.Usage(input_tokens=_INPUT_TOKENS, output_tokens=_OUTPUT_TOKENS),
            ),
        ).receipt
        click.echo(f"settled for {usd(receipt.billed_nano_usd)}")
        charged = _settled(session, account) - before
    finally:
        _delete(session, account)
    if not 0 < receipt.billed_nano_usd == charged:
        raise click.ClickException(
            f"the receipt says {usd(receipt.billed_nano_usd)} and the account was charged "
            f"{usd(charged)}: run `fluxrouter doctor`, and report it"
        )
    click.echo("the account was charged exactly that")


def _apply(session: Session, account: str) -> None:
    namespace, _, name = account.partition("/")
    plan = plan_pb2.Plan(
        metadata=ObjectMeta(name=_plan_of(account)),
        spec=plan_pb2.PlanSpec(
            display_name="A self-test",
            included_credit_usd=_CAP_USD,
            cap_usd=_CAP_USD,
            overage="none",
        ),
    )
    payer = account_pb2.Account(
        metadata=ObjectMeta(namespace=namespace, name=name),
        spec=account_pb2.AccountSpec(plan=_plan_of(account)),
    )
    resources = [control_pb2.Resource(plan=plan), control_pb2.Resource(account=payer)]
    session.call(session.control.Apply, control_pb2.ApplyRequest(resources=resources))


def _delete(session: Session, account: str) -> None:
    for kind, name in (
        (control_pb2.RESOURCE_KIND_ACCOUNT, account),
        (control_pb2.RESOURCE_KIND_PLAN, _plan_of(account)),
    ):
        session.call(
            session.control.Delete,
            control_pb2.DeleteRequest(kind=kind, names=[name], ignore_missing=True),
        )


def _plan_of(account: str) -> str:
    return account.replace("/", "-")


def _settled(session: Session, account: str) -> int:
    """Returns what the account was charged this month, in nano-USD."""
    request = cap_pb2.GetSpendRequest(account=account)
    return session.call(session.caps.GetSpend, request).spend.settled_nano_usd
