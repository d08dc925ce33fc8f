"""`fluxrouter calibrate` and `evaluate`: tier models from a team's own labels, without a server."""

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import click

from fluxrouter_server.calibration.dataset import DatasetError, NoGapError
from fluxrouter_server.calibration.entry import CalibrationUnavailableError
from fluxrouter_server.calibration.entry import calibrate as calibrate_model
from fluxrouter_server.calibration.entry import evaluate as evaluate_model
from fluxrouter_server.calibration.plot import plot_svg
from fluxrouter_server.calibration.report import Report
from fluxrouter_server.cli.exits import Exit
from fluxrouter_server.cli.output import output_option
from fluxrouter_server.domain.catalog import Tier
from fluxrouter_server.routing.model_file import ModelFileError

Command = TypeVar("Command", bound=Callable[..., Any] | click.Command)

_INPUT = click.Path(exists=True, dir_okay=False, path_type=Path)
_OUTPUT = click.Path(dir_okay=False, path_type=Path)


class CalibrationRefused(click.ClickException):
    """Labels on which there is nothing to route for: no report can be made of them."""

    exit_code = Exit.DENIED


def _shared_options(command: Command) -> Command:
    """Adds the options that both commands have."""
    options = (
        click.option(
            "--column",
            "columns",
            multiple=True,
            help="NAME=TIER: the column that scores a tier; repeatable. Default: columns that are"
            " called fast, standard and reasoning, or weak and strong.",
        ),
        click.option("--plot", type=_OUTPUT, help="Draw the curves into this SVG file."),
        output_option(meaning="A table for people, or one JSON object for machines."),
    )
    for option in reversed(options):
        command = option(command)
    return command


@click.command()
@click.argument("data", type=_INPUT)
@click.option("--out", type=_OUTPUT, help="Where to write the model; without it, only judge.")
@click.option(
    "--target-cost",
    type=click.FloatRange(min=1.0),
    help="Mean cost of a request that the balance keeps to, where fast costs 1, standard 10 and"
    " reasoning 30. Default: the usual balance.",
)
@_shared_options
def calibrate(
    *,
    data: Path,
    out: Path | None,
    target_cost: float | None,
    columns: Sequence[str],
    plot: Path | None,
    output: str,
) -> None:
    """Train a tier model on the labels DATA (JSON Lines, .gz too), and judge it.

    A label is {"prompt": "…", "fast": 0, "standard": 1, "reasoning": 1}. A model that does not beat
    prompt length with confidence is not written: the report says so, and the command exits 3.
    """
    _check_folders(out, plot)
    by_column = _columns(columns)
    with _failures():
        report = calibrate_model(data, out, columns=by_column, target_cost=target_cost)
        written = out if report.beats_length else None
        _finish(report, plot, output, written=written)


@click.command()
@click.argument("model", type=_INPUT)
@click.argument("data", type=_INPUT)
@_shared_options
def evaluate(
    *, model: Path, data: Path, columns: Sequence[str], plot: Path | None, output: str
) -> None:
    """Judge the tier model in the file MODEL on the labels DATA, which it must not have seen.

    Exits 3, with the report, where the model does not beat prompt length with confidence.
    """
    _check_folders(plot)
    by_column = _columns(columns)
    with _failures():
        _finish(evaluate_model(model, data, columns=by_column), plot, output)


def _columns(pairs: Sequence[str]) -> Mapping[str, Tier]:
    columns = {}
    for pair in pairs:
        name, _, tier = pair.rpartition("=")
        if not name or tier not in list(Tier):
            raise click.BadParameter(
                f"{pair!r} is not NAME=TIER: a tier is {', '.join(Tier)}", param_hint="--column"
            )
        columns[name] = Tier(tier)
    return columns


def _check_folders(*files: Path | None) -> None:
    """Refuses at once what would otherwise fail after the training."""
    for file in files:
        if file is not None and not file.parent.is_dir():
            raise click.BadParameter(f"{file}: the folder does not exist: create it first")


@contextmanager
def _failures() -> Iterator[None]:
    """Turns what calibration raises into messages and exit codes."""
    try:
        yield
    except NoGapError as error:
        raise CalibrationRefused(str(error)) from error
    except (DatasetError, ModelFileError, CalibrationUnavailableError, OSError) as error:
        raise click.ClickException(str(error)) from error


def _finish(report: Report, plot: Path | None, output: str, *, written: Path | None = None) -> None:
    """Prints the report and draws it; a refusal ends the process with 3."""
    if plot is not None:
        plot.write_text(plot_svg(report))
    if output == "json":
        facts = report.as_json() | {"written": str(written) if written else None}
        click.echo(json.dumps(facts, indent=2))
    else:
        click.echo(report.as_text())
        if written is not None:
            click.echo(f"The model is in {written}.")
    if not report.beats_length:
        raise SystemExit(Exit.DENIED)
