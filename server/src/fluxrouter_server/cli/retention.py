"""`fluxrouter ledger prune|forget-label`: what the ledger need not keep."""

import click
from google.protobuf.timestamp_pb2 import Timestamp

from fluxrouter.v1 import ledger_pb2
from fluxrouter_server.cli.output import instant, output_option, print_json
from fluxrouter_server.cli.session import Session
from fluxrouter_server.cli.usage import Instant

__all__ = ["forget_label", "prune"]

_yes_option = click.option("--yes", is_flag=True, help="Do not ask.")


@click.command()
@click.option(
    "--before", type=Instant(), required=True, metavar="TIME", help="At least 31 days back."
)
@_yes_option
@output_option()
@click.pass_obj
def prune(session: Session, /, *, before: Timestamp, yes: bool, output: str) -> None:
    """Take entries of closed months out, those before TIME; sums by day stay.

    There is no way back: export them first. It may take long; give --timeout.
    """
    if not yes:
        click.confirm(f"Take out entries from before {instant(before)} for good?", abort=True)
    request = ledger_pb2.PruneLedgerRequest(before_time=before)
    answer = session.call(session.ledger.PruneLedger, request)
    if output == "json":
        print_json(answer)
        return
    click.echo(f"{answer.entries} entries of {answer.accounts} accounts were taken out")


@click.command("forget-label")
@click.argument("name")
@click.option("--value", help="Only where it has this value.")
@click.option("--account", default="", help="Only of this account.")
@_yes_option
@output_option()
@click.pass_obj
def forget_label(
    session: Session, /, *, name: str, value: str | None, account: str, yes: bool, output: str
) -> None:
    """Take the label NAME out of entries and sums, such as one that names a person.

    There is no way back. It may take long; give --timeout.
    """
    if not yes:
        click.confirm(f"Take the label {name} out of the ledger for good?", abort=True)
    request = ledger_pb2.ForgetLabelRequest(name=name, value=value, account=account)
    answer = session.call(session.ledger.ForgetLabel, request)
    if output == "json":
        print_json(answer)
        return
    click.echo(f"{answer.entries} entries of {answer.accounts} accounts forgot the label {name}")
