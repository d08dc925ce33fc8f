"""`fluxrouter ledger`: the entries themselves, listed, exported, and compared with the counters."""

import sys
from collections.abc import Iterator

import click
from google.protobuf import json_format
from google.protobuf.timestamp_pb2 import Timestamp

from fluxrouter.v1 import ledger_pb2, usage_pb2
from fluxrouter_server.cli.adjusting import correct, credit
from fluxrouter_server.cli.exits import Exit
from fluxrouter_server.cli.focus import COLUMNS, csv_line, focus_lines
from fluxrouter_server.cli.output import instant, output_option, print_json, print_table, usd
from fluxrouter_server.cli.retention import forget_label, prune
from fluxrouter_server.cli.session import Session
from fluxrouter_server.cli.usage import from_option, to_option

_KINDS = (
    "settlement", "release", "expiry", "correction", "adjustment", "invoice-credit", "alert",
    "period-close",
)  # fmt: skip
_NOT_MONEY = frozenset({"chain", "alerted"})


@click.group()
def ledger() -> None:
    """List, export, check, correct and keep in order what happened to money."""


ledger.add_command(correct)
ledger.add_command(credit)
ledger.add_command(prune)
ledger.add_command(forget_label)


@ledger.command("list")
@click.argument("account")
@from_option
@to_option
@click.option("--request", "request_id", default="", help="Only this request's.")
@click.option("--hold", "hold_id", default="", help="Only this hold's.")
@click.option("--kind", "kinds", type=click.Choice(_KINDS), multiple=True, help="Only these.")
@click.option(
    "--limit", type=click.IntRange(1, 1000), default=50, show_default=True, help="At most so many."
)
@output_option()
@click.pass_obj
def list_entries(  # noqa: PLR0913 - one for each option
    session: Session,
    /,
    *,
    account: str,
    start: Timestamp | None,
    end: Timestamp | None,
    request_id: str,
    hold_id: str,
    kinds: tuple[str, ...],
    limit: int,
    output: str,
) -> None:
    """Show the entries of ACCOUNT, the newest first."""
    request = usage_pb2.ListLedgerRequest(
        account=account,
        start_time=start,
        end_time=end,
        request_id=request_id,
        hold_id=hold_id,
        kinds=kinds,
        page_size=limit,
    )
    answer = session.call(session.usage.ListLedger, request)
    if output == "json":
        print_json(answer)
        return
    print_table(
        ("TIME", "KIND", "REQUEST", "MODEL", "KEY", "COST", "BILLED", "ABSORBED", "SETTLED AFTER"),
        [_row(entry) for entry in answer.entries],
    )
    if answer.next_page_token:
        click.echo(f"there are more; the newest {limit} are shown (--limit)", err=True)


@ledger.command()
@click.argument("account", required=False, default="")
@from_option
@to_option
@click.option(
    "--format",
    "form",
    type=click.Choice(["jsonl", "focus"]),
    default="jsonl",
    show_default=True,
    help="One JSON object a line, or FOCUS 1.2 as CSV.",
)
@click.pass_obj
def export(
    session: Session,
    /,
    *,
    account: str,
    start: Timestamp | None,
    end: Timestamp | None,
    form: str,
) -> None:
    """Write all entries of ACCOUNT, or of every account, to standard output."""
    request = usage_pb2.ExportLedgerRequest(account=account, start_time=start, end_time=end)
    found = _entries(session, request)
    if form == "focus":
        click.echo(csv_line(COLUMNS))
        for line in focus_lines(found):
            click.echo(line)
        return
    for entry in found:
        click.echo(
            json_format.MessageToJson(
                entry,
                indent=None,
                always_print_fields_with_no_presence=True,
                ensure_ascii=False,
            )
        )


@ledger.command()
@click.argument("account", required=False, default="")
@output_option()
@click.pass_obj
def check(session: Session, /, *, account: str, output: str) -> None:
    """Compare the counters of ACCOUNT, or of all accounts, with the ledger.

    Exits 1 where something differs.
    """
    drifts: list[usage_pb2.LedgerDrift] = []
    last = usage_pb2.CheckLedgerResponse()
    for last in session.stream(
        session.usage.CheckLedger, usage_pb2.CheckLedgerRequest(account=account)
    ):
        drifts += last.drifts
    last = usage_pb2.CheckLedgerResponse(
        drifts=drifts,
        checked_accounts=last.checked_accounts,
        lagging_accounts=last.lagging_accounts,
        done=last.done,
    )
    if output == "json":
        print_json(last)
    else:
        _print_check(last)
    if drifts:
        sys.exit(Exit.FAILED)


@ledger.command()
@click.argument("account", required=False, default="")
@click.option("--all", "is_all", is_flag=True, help="Of every account.")
@output_option()
@click.pass_obj
def rebuild(session: Session, /, *, account: str, is_all: bool, output: str) -> None:
    """Restore the counters of ACCOUNT, or of all, as the ledger adds up.

    They may be in use meanwhile. A store that lost its data is rebuilt by itself; this waits for it
    and shows how far it is. Exits 1 where entries are missing.
    """
    if bool(account) == is_all:
        raise click.UsageError("name an account, or give --all")
    result = ledger_pb2.RebuildCountersResponse()
    for part in session.stream(
        session.ledger.RebuildCounters, ledger_pb2.RebuildCountersRequest(account=account)
    ):
        if part.waiting:
            click.echo(part.waiting, err=True)
        result.mended.extend(part.mended)
        result.incomplete.extend(part.incomplete)
        result.accounts, result.done = part.accounts, part.done
    if output == "json":
        print_json(result)
    else:
        _print_rebuild(result)
    if result.incomplete:
        sys.exit(Exit.FAILED)


def _print_rebuild(result: ledger_pb2.RebuildCountersResponse) -> None:
    if result.mended:
        print_table(
            ("ACCOUNT", "WHAT", "PERIOD", "WAS", "IS"),
            [_drift_row(drift) for drift in result.mended],
        )
    for drift in result.incomplete:
        click.echo(f"{drift.account}: left as it is, entries are missing from its chain", err=True)
    click.echo(f"{len(result.mended)} counters restored: {result.accounts} accounts looked at")


def _drift_row(drift: usage_pb2.LedgerDrift) -> tuple[str, ...]:
    return (
        drift.account,
        drift.what,
        instant(drift.period_start_time),
        _figure(drift, drift.in_store),
        _figure(drift, drift.in_ledger),
    )


def _print_check(result: usage_pb2.CheckLedgerResponse) -> None:
    if result.drifts:
        print_table(
            ("ACCOUNT", "WHAT", "PERIOD", "STORE", "LEDGER"),
            [_drift_row(drift) for drift in result.drifts],
        )
    lagging = f", {result.lagging_accounts} of them lagging" if result.lagging_accounts else ""
    found = f"{len(result.drifts)} differences" if result.drifts else "no drift"
    click.echo(f"{found}: {result.checked_accounts} accounts compared{lagging}")


def _figure(drift: usage_pb2.LedgerDrift, figure: int) -> str:
    return str(figure) if drift.what in _NOT_MONEY else usd(figure)


def _entries(
    session: Session, request: usage_pb2.ExportLedgerRequest
) -> Iterator[usage_pb2.LedgerEntry]:
    for part in session.stream(session.usage.ExportLedger, request):
        yield from part.entries


def _row(entry: usage_pb2.LedgerEntry) -> tuple[str, ...]:
    sums = entry.sums
    settled = entry.settled_after_nano_usd
    return (
        instant(entry.entry_time),
        entry.kind,
        entry.request_id,
        entry.model,
        entry.key,
        usd(sums.cost_nano_usd),
        usd(sums.billed_nano_usd),
        usd(sums.absorbed_nano_usd),
        usd(settled) if entry.HasField("settled_after_nano_usd") else "",
    )
