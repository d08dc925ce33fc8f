"""`fluxrouter ledger correct|credit`: what an operator changes about money, with a reason."""

from collections.abc import Callable
from secrets import token_hex
from typing import Any, Final, TypeVar

import click
from google.protobuf.timestamp_pb2 import Timestamp

from fluxrouter.v1 import ledger_pb2
from fluxrouter_server.cli.output import instant, output_option, print_facts, print_json, usd
from fluxrouter_server.cli.session import Session
from fluxrouter_server.cli.usage import Instant
from fluxrouter_server.domain.money import MoneyError, parse_usd

__all__ = ["correct", "credit"]

F = TypeVar("F", bound=Callable[..., Any])

_ID_BYTES: Final = 8


class Amount(click.ParamType[int]):
    """An amount in USD, such as `1.50`, as nano-USD."""

    name = "usd"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> int:
        """Reads a decimal string; anything else is wrong usage."""
        if isinstance(value, int):
            return value
        try:
            return parse_usd(str(value))
        except MoneyError as error:
            self.fail(str(error), param, ctx)


def _common(command: F) -> F:
    """The options of both commands."""
    options = (
        click.argument("account"),
        click.option("--reason", required=True, help="Why; it stays with the entry."),
        click.option(
            "--id",
            "adjustment_id",
            default="",
            help="Its own id: the same one is written once.  [default: a new one]",
        ),
        click.option(
            "--period",
            "period",
            type=Instant(),
            metavar="TIME",
            help="Any instant of the period it belongs to.  [default: the open one]",
        ),
        output_option(),
        click.pass_obj,
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@_common
@click.option("--debit", type=Amount(), help="Charge so many USD more.")
@click.option("--refund", type=Amount(), help="Give so many USD back.")
@click.option("--key", default="", help="The API key whose use is corrected, by name.")
@click.option("--label", "labels", multiple=True, metavar="NAME=VALUE", help="Of that use.")
def correct(  # noqa: PLR0913 - one for each option
    session: Session,
    /,
    *,
    account: str,
    reason: str,
    adjustment_id: str,
    period: Timestamp | None,
    output: str,
    debit: int | None,
    refund: int | None,
    key: str,
    labels: tuple[str, ...],
) -> None:
    """Correct what ACCOUNT was charged, by an entry that moves its counters."""
    if (debit is None) == (refund is None):
        raise click.UsageError("give either --debit or --refund")
    pairs = [label.partition("=") for label in labels]
    if not all(name and equals for name, equals, _ in pairs):
        raise click.UsageError("--label: write NAME=VALUE")
    request = ledger_pb2.CorrectUsageRequest(
        account=account,
        adjustment_id=adjustment_id or token_hex(_ID_BYTES),
        amount_nano_usd=-(refund or 0) if debit is None else debit,
        reason=reason,
        period_time=period,
        key=key,
        labels={name: value for name, _, value in pairs},
    )
    answer = session.call(session.ledger.CorrectUsage, request)
    _print(answer, answer.adjustment, output)


@click.command()
@_common
@click.option("--amount", type=Amount(), required=True, help="What the invoice is less, in USD.")
def credit(
    session: Session,
    /,
    *,
    account: str,
    reason: str,
    adjustment_id: str,
    period: Timestamp | None,
    output: str,
    amount: int,
) -> None:
    """Note what an invoice of ACCOUNT is less; no counter moves."""
    request = ledger_pb2.CreditInvoiceRequest(
        account=account,
        adjustment_id=adjustment_id or token_hex(_ID_BYTES),
        amount_nano_usd=amount,
        reason=reason,
        period_time=period,
    )
    answer = session.call(session.ledger.CreditInvoice, request)
    _print(answer, answer.adjustment, output)


def _print(
    answer: ledger_pb2.CorrectUsageResponse | ledger_pb2.CreditInvoiceResponse,
    written: ledger_pb2.Adjustment,
    output: str,
) -> None:
    if output == "json":
        print_json(answer)
        return
    sums = written.sums
    facts = [
        ("id", written.adjustment_id),
        ("kind", f"{written.kind}{' (written before)' if written.replayed else ''}"),
        (
            "period",
            f"{instant(written.period_start_time)} to {instant(written.period_end_time)}",
        ),
        ("billed", usd(sums.billed_nano_usd)),
        ("absorbed", usd(sums.absorbed_nano_usd)),
        ("credit", usd(sums.credit_nano_usd)),
    ]
    if written.HasField("settled_after_nano_usd"):
        facts.append(("settled after", usd(written.settled_after_nano_usd)))
    print_facts(facts)
