"""What commands print: aligned tables for people, protobuf's JSON mapping for machines."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any, TypeVar

import click
from google.protobuf import json_format
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from fluxrouter_server.cli.session import Session
from fluxrouter_server.domain.money import format_usd

Command = TypeVar("Command", bound=Callable[..., Any] | click.Command)


def output_option(
    *formats: str,
    meaning: str = "Aligned text for people, or protobuf's JSON mapping for machines.",
) -> Callable[[Command], Command]:
    """Returns the option `-o`, which also makes refusals JSON where JSON is asked for."""

    def remember(context: click.Context, _parameter: click.Parameter, output: str) -> str:
        if isinstance(context.obj, Session):
            context.obj = replace(context.obj, as_json=output == "json")
        return output

    return click.option(
        "-o",
        "--output",
        type=click.Choice(formats or ("table", "json")),
        default="table",
        show_default=True,
        callback=remember,
        help=meaning,
    )


def print_json(message: Message) -> None:
    """Prints a message in protobuf's JSON mapping, with the fields that are zero."""
    click.echo(
        json_format.MessageToJson(
            message, always_print_fields_with_no_presence=True, ensure_ascii=False
        )
    )


def print_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """Prints rows in aligned columns under a header; two spaces between columns."""
    table = [tuple(header), *(tuple(row) for row in rows)]
    widths = [max(len(row[column]) for row in table) for column in range(len(header))]
    for row in table:
        cells = (cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        click.echo("  ".join(cells).rstrip())


def print_facts(facts: Iterable[tuple[str, str]]) -> None:
    """Prints name and value pairs, values aligned."""
    pairs = [(name, value) for name, value in facts if value]
    width = max((len(name) for name, _ in pairs), default=0)
    for name, value in pairs:
        click.echo(f"{name.ljust(width)}  {value}")


def usd(nano_usd: int) -> str:
    """Formats nano-USD as `$1.00`, with as many decimals as the amount has."""
    return f"${format_usd(nano_usd)}" if nano_usd >= 0 else f"-${format_usd(-nano_usd)}"


def instant(time: Timestamp) -> str:
    """Formats an instant in UTC to the second; empty where it is not set."""
    if not time.seconds:
        return ""
    moment: datetime = time.ToDatetime()
    return moment.strftime("%Y-%m-%d %H:%M:%S UTC")
