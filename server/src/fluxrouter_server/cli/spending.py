"""`fluxrouter spend`: what an account has spent and may still spend."""

import click

from fluxrouter.v1 import cap_pb2
from fluxrouter_server.cli.output import (
    instant,
    output_option,
    print_facts,
    print_json,
    print_table,
    usd,
)
from fluxrouter_server.cli.session import Session


@click.command()
@click.argument("account")
@click.option("--watch", is_flag=True, help="Stay, and print again whenever it changes.")
@output_option()
@click.pass_obj
def spend(session: Session, /, *, account: str, watch: bool, output: str) -> None:
    """Show the counters of ACCOUNT for its open month, level by level."""
    if not watch:
        answer = session.call(session.caps.GetSpend, cap_pb2.GetSpendRequest(account=account))
        _print_spend(answer.spend, output)
        return
    request = cap_pb2.WatchSpendRequest(account=account)
    try:
        for update in session.stream(session.caps.WatchSpend, request):
            _print_spend(update.spend, output)
    except KeyboardInterrupt:
        return


def _print_spend(figures: cap_pb2.Spend, output: str) -> None:
    if output == "json":
        print_json(cap_pb2.GetSpendResponse(spend=figures))
        return
    print_facts(
        [
            ("account", figures.account),
            ("plan", figures.plan),
            (
                "period",
                f"{instant(figures.period_start_time)} to {instant(figures.period_end_time)}",
            ),
            ("included credit used", usd(figures.included_used_nano_usd)),
            ("absorbed", usd(figures.absorbed_nano_usd)),
            ("in flight", str(figures.in_flight)),
        ]
    )
    click.echo()
    print_table(
        ("LEVEL", "CAP", "SETTLED", "HELD", "HEADROOM"),
        [_level_row(level) for level in figures.levels],
    )


def _level_row(level: cap_pb2.LevelSpend) -> tuple[str, str, str, str, str]:
    capped = level.HasField("cap_nano_usd")
    return (
        level.level,
        usd(level.cap_nano_usd) if capped else "none",
        usd(level.settled_nano_usd),
        usd(level.held_nano_usd),
        usd(level.headroom_nano_usd) if capped else "unlimited",
    )
