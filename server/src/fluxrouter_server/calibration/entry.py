"""What the commands `calibrate`, `evaluate` and `route --explain` do, for whoever calls them.

Everything that needs numpy is imported when it is used, with a remedy where it is missing.
"""

from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType

from fluxrouter_server.calibration.dataset import (
    Dataset,
    DatasetError,
    read_dataset,
    require_gap,
)
from fluxrouter_server.calibration.report import Report
from fluxrouter_server.calibration.shipped import default_model
from fluxrouter_server.domain.catalog import Tier
from fluxrouter_server.routing.model_file import read_model, write_model
from fluxrouter_server.routing.tier_choice import (
    USUAL_COSTS,
    Policy,
    WeighedDecision,
    choose_tier,
)
from fluxrouter_server.routing.tier_model import TierModel

#: With fewer labels no difference to prompt length could be told from chance.
FEWEST_LABELS = 300

#: The exit code of a command whose model is refused; the report is printed all the same.
EXIT_REFUSED = 3

_NO_COLUMNS: Mapping[str, Tier] = MappingProxyType({})


class CalibrationUnavailableError(RuntimeError):
    """What calibration needs is not installed; the message says how to install it."""


def calibrate(
    data: Path,
    out: Path | None,
    *,
    name: str | None = None,
    columns: Mapping[str, Tier] = _NO_COLUMNS,
    costs: Mapping[Tier, float] = USUAL_COSTS,
    target_cost: float | None = None,
) -> Report:
    """Train a model on a file of labels, judge it by cross-validation, and write it if it is good.

    `out` gets the model only where `Report.beats_length`; with None nothing is written. `columns`
    says which column scores which tier, where their names are not the usual ones. `target_cost` is
    a mean cost of a request, in the unit of `costs`: the balanced cost weight is the least that
    keeps to it. Without it the weight is the usual one.

    Raises:
        DatasetError: if the labels cannot be used, or are fewer than `FEWEST_LABELS`.
        NoGapError: if the dearest tier is not better than the cheapest.
        CalibrationUnavailableError: if numpy is not installed.
    """
    _need_numpy()
    from fluxrouter_server.calibration.appraisal import appraise  # noqa: PLC0415 - needs numpy
    from fluxrouter_server.calibration.crossfit import cross_fit  # noqa: PLC0415
    from fluxrouter_server.calibration.curves import cost_weight_for  # noqa: PLC0415
    from fluxrouter_server.calibration.training import (  # noqa: PLC0415
        USUAL_COST_WEIGHT,
        train,
    )

    dataset = read_dataset(data, columns or None)
    _check_size(data, dataset)
    require_gap(dataset)
    judges = dataset.complete()
    predictions = cross_fit(dataset).at(judges)
    weight = USUAL_COST_WEIGHT
    if target_cost is not None:
        weight = cost_weight_for(predictions.quality, dataset.tiers, costs, target_cost)
    trained = train(dataset, name=name or data.name.partition(".")[0], cost_weight=weight)
    written = write_model(trained)
    model = read_model(written)
    report = appraise(
        dataset.at(judges),
        predictions,
        model=model.name,
        model_sha256=model.sha256,
        cost_weight=weight,
        costs=costs,
    )
    if out is not None and report.beats_length:
        out.write_bytes(written)
    return report


def evaluate(
    model_path: Path,
    data: Path,
    *,
    columns: Mapping[str, Tier] = _NO_COLUMNS,
    costs: Mapping[Tier, float] = USUAL_COSTS,
) -> Report:
    """Judge a finished model on labels, which must be others than it was trained on.

    Raises:
        ModelFileError: if the model cannot be used.
        DatasetError: if the labels cannot be used, or score a tier that the model cannot estimate.
        NoGapError: if the dearest tier is not better than the cheapest.
        CalibrationUnavailableError: if numpy is not installed.
    """
    _need_numpy()
    from fluxrouter_server.calibration.appraisal import appraise  # noqa: PLC0415 - needs numpy
    from fluxrouter_server.calibration.crossfit import predict  # noqa: PLC0415

    model = read_model(model_path.read_bytes())
    dataset = read_dataset(data, columns or None)
    unknown = [tier for tier in dataset.tiers if tier not in model.tiers]
    if unknown:
        raise DatasetError(
            f"{data}: the model {model.name} estimates {', '.join(model.tiers)}, not"
            f" {unknown[0]}: evaluate a model that was trained on the same tiers"
        )
    require_gap(dataset)
    dataset = dataset.at(dataset.complete())
    return appraise(
        dataset,
        predict(model, dataset),
        model=model.name,
        model_sha256=model.sha256,
        cost_weight=model.balanced_cost_weight,
        costs=costs,
    )


def explain(
    text: str,
    *,
    model: TierModel | None = None,
    cost_weight: float | None = None,
    costs: Mapping[Tier, float] = USUAL_COSTS,
    permitted: Sequence[Tier] = tuple(Tier),
) -> WeighedDecision:
    """Return which tier a text would get and why, by the default model unless another is given."""
    chosen = model or default_model()
    weight = chosen.balanced_cost_weight if cost_weight is None else cost_weight
    return choose_tier(text, chosen, Policy(costs, weight), permitted)


def _need_numpy() -> None:
    try:
        import numpy  # noqa: F401, ICN001, PLC0415 - only whether it is there
    except ImportError as error:
        raise CalibrationUnavailableError(
            "calibration needs numpy: install the extra, `pip install fluxrouter[calibrate]`"
        ) from error


def _check_size(data: Path, dataset: Dataset) -> None:
    complete = len(dataset.complete())
    if complete < FEWEST_LABELS:
        partly = len(dataset.prompts) - complete
        rest = f" (and {partly} more with a score of some tiers only)" if partly else ""
        raise DatasetError(
            f"{data}: {complete} labels{rest} are too few: collect at least {FEWEST_LABELS} with a"
            " score of every tier"
        )
