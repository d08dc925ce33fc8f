"""`fluxrouter export-labels`: what a decision log holds, as labels for `fluxrouter calibrate`."""

import json
from collections.abc import Sequence
from pathlib import Path

import click

from fluxrouter_server.calibration.dataset import DatasetError
from fluxrouter_server.calibration.export import export_labels as labels_of

_PATH = click.Path(exists=True, path_type=Path)
_FILE = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.command("export-labels")
@click.argument("logs", type=_PATH, nargs=-1, required=True)
@click.option(
    "--outcomes",
    type=_FILE,
    help="Scores from 0 to 1 in JSON Lines: a hold_id or request_id with `score` (of the tier that"
    " served) or with scores by tier.",
)
def export_labels(*, logs: Sequence[Path], outcomes: Path | None) -> None:
    """Print labels for calibration, made of the decision logs LOGS (files or folders).

    Prompts are in them as text where the log has it (`serve --decision-log-text`), else as numbers.
    Only choices that somebody graded are printed; tiers without a score are null.
    """
    try:
        export = labels_of(logs, outcomes)
    except DatasetError as error:
        raise click.ClickException(str(error)) from error
    for row in export.rows:
        click.echo(json.dumps(row))
    click.echo(
        f"{len(export.rows)} of {export.choices} choices have a score, {export.complete} of them of"
        " every tier that was graded.",
        err=True,
    )
