"""What `fluxrouter route --explain` prints: why a prompt gets its tier, without asking a server."""

import json
from dataclasses import asdict
from pathlib import Path

import click

from fluxrouter_server.calibration.entry import explain
from fluxrouter_server.calibration.shipped import default_model
from fluxrouter_server.cli.output import print_facts, print_table
from fluxrouter_server.routing.model_file import ModelFileError, read_model
from fluxrouter_server.routing.tier_choice import WeighedDecision
from fluxrouter_server.routing.tier_model import TierModel


def print_explanation(prompt: str, *, model_file: Path | None, output: str) -> None:
    """Prints which tier a prompt would get where all can serve, and why.

    The model is the one that comes with FluxRouter, unless a file is given. `output` is "json" for
    one JSON object; anything else prints for people.

    Raises:
        click.ClickException: the file is no tier model.
    """
    model = _read(model_file) if model_file else default_model()
    decision = explain(prompt, model=model)
    if output == "json":
        click.echo(
            json.dumps({"model": model.name, **asdict(decision)}, indent=2, ensure_ascii=False)
        )
    else:
        _print_for_people(model, decision)


def _read(path: Path) -> TierModel:
    try:
        return read_model(path.read_bytes())
    except (ModelFileError, OSError) as error:
        raise click.ClickException(f"{path}: {error}") from error


def _print_for_people(model: TierModel, decision: WeighedDecision) -> None:
    print_facts(
        [
            ("tier", decision.tier),
            ("because", "; ".join(decision.reasons)),
            ("margin", f"{decision.margin:.4f} above the next tier"),
            ("cost weight", f"{decision.cost_weight:.4g}"),
            ("tier model", model.name),
            ("sha256", decision.model_sha256),
        ]
    )
    click.echo()
    print_table(
        ("TIER", "EXPECTED QUALITY", "RELATIVE COST", "UTILITY"),
        [
            (
                score.tier,
                f"{score.expected_quality:.4f}",
                f"{score.relative_cost:.4f}",
                f"{score.utility:.4f}",
            )
            for score in decision.scores
        ],
    )
