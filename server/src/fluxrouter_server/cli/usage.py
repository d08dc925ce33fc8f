"""`fluxrouter usage`: what an account has used, from the ledger."""

import re
from datetime import UTC, datetime
from typing import Final

import click
from google.protobuf.timestamp_pb2 import Timestamp

from fluxrouter.v1 import usage_pb2
from fluxrouter_server.cli.output import (
    instant,
    output_option,
    print_facts,
    print_json,
    print_table,
    usd,
)
from fluxrouter_server.cli.session import Session

_GROUPS: Final = ("model", "lane", "key", "label", "day")
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")


class Instant(click.ParamType[Timestamp]):
    """A day or an instant of RFC 3339; without a zone it is UTC."""

    name = "time"

    def convert(
        self, value: object, param: click.Parameter | None, ctx: click.Context | None
    ) -> Timestamp:
        """Reads `2026-09-01` or `2026-09-01T12:00:00Z`; anything else is wrong usage."""
        if isinstance(value, Timestamp):
            return value
        try:
            moment = datetime.fromisoformat(str(value))
            time = Timestamp()
            time.FromDatetime(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
        except ValueError:
            self.fail(f"{value!r}: write 2026-09-01 or 2026-09-01T12:00:00Z", param, ctx)
        return time


#: `--from` and `--to` of every command about a span of time.
from_option = click.option(
    "--from", "start", type=Instant(), metavar="TIME", help="Begin, such as 2026-09-01 (UTC)."
)
to_option = click.option("--to", "end", type=Instant(), metavar="TIME", help="End, not included.")


@click.command()
@click.argument("account")
@from_option
@to_option
@click.option(
    "--by",
    "group_by",
    type=click.Choice(_GROUPS),
    multiple=True,
    help="Group by this only; may be given again.  [default: all]",
)
@output_option()
@click.pass_obj
def usage(
    session: Session,
    /,
    *,
    account: str,
    start: Timestamp | None,
    end: Timestamp | None,
    group_by: tuple[str, ...],
    output: str,
) -> None:
    """Show what ACCOUNT used in its open month, or in a span of time."""
    request = usage_pb2.GetUsageRequest(
        account=account, start_time=start, end_time=end, group_by=group_by
    )
    answer = session.call(session.usage.GetUsage, request)
    if output == "json":
        print_json(answer)
    else:
        _print_usage(answer)


def _print_usage(answer: usage_pb2.GetUsageResponse) -> None:
    total, period = answer.total, answer.period
    facts = [
        ("account", answer.account),
        ("span", f"{instant(answer.start_time)} to {instant(answer.end_time)}"),
        ("requests", f"{total.requests:,}"),
        ("tokens", _tokens(total)),
        ("cost", usd(total.cost_nano_usd)),
        ("billed", usd(total.billed_nano_usd)),
        ("from included credit", usd(total.included_nano_usd)),
        ("absorbed", usd(total.absorbed_nano_usd)),
    ]
    if answer.HasField("period"):
        facts += [
            ("plan", period.plan),
            ("cap", usd(period.cap_nano_usd)),
            ("headroom", usd(period.headroom_nano_usd)),
            ("projected", f"{usd(period.projected_nano_usd)} at the end of the month"),
        ]
    print_facts(facts)
    if answer.groups:
        click.echo()
        print_table(
            ("BY", "VALUE", "REQUESTS", "TOKENS IN", "TOKENS OUT", "COST", "BILLED"),
            [_row(group) for group in answer.groups],
        )


def _row(group: usage_pb2.UsageGroup) -> tuple[str, ...]:
    sums = group.sums
    tokens_in = sums.input_tokens + sums.cached_input_tokens + sums.cache_write_tokens
    return (
        group.group_by,
        group.value or "(none)",
        f"{sums.requests:,}",
        f"{tokens_in:,}",
        f"{sums.output_tokens:,}",
        usd(sums.cost_nano_usd),
        usd(sums.billed_nano_usd),
    )


def _tokens(sums: usage_pb2.UsageSums) -> str:
    return (
        f"{sums.input_tokens:,} in, {sums.cached_input_tokens:,} cached, "
        f"{sums.cache_write_tokens:,} cache writes, {sums.output_tokens:,} out"
        f" ({sums.reasoning_tokens:,} of it reasoning)"
    )
