"""Measures the routing of `flux-auto` on labelled prompts: `make bench-routing DATA=FOLDER`.

FOLDER holds files in JSON Lines, plain or gzipped, whose names begin with `mmlu`, `gsm8k`,
`mmlu_pro` (columns `prompt`, `weak`, `strong`; `subject` for mmlu) and `lanes` (columns `prompt`,
`fast`, `standard`, `reasoning`). Labels are true, false or numbers from 0 to 1.

The split. Every row falls by a hash of its prompt into one of ten folds, and every row counts
exactly once: it is judged by a model that was trained on rows of the nine other folds alone, at
most 1,500 of them, those with the lowest hash. The features, the penalties and everything else
about the recipe are fixed beforehand; the one number that is set on data, the cost weight of the
lanes, is set for each fold on the predicted costs of the other folds, without looking at labels.
Intervals are 95% bootstraps over rows. The length rule sends long prompts to the strong model, or
short ones, whichever turns out better.

The last line is one JSON object. Times are CPU time of one core per decision on prompts of 4 KB,
text to tier and reasons: elapsed time on a busy machine would measure its other work.
"""

import argparse
import json
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from statistics import mean, median, quantiles

from fluxrouter_server.calibration.appraisal import balance_at_cost, contest_of
from fluxrouter_server.calibration.crossfit import cross_fit, predict
from fluxrouter_server.calibration.curves import cost_weight_for
from fluxrouter_server.calibration.dataset import Dataset, DatasetError, read_dataset, read_rows
from fluxrouter_server.calibration.intervals import bootstrap
from fluxrouter_server.calibration.report import Balance, Interval
from fluxrouter_server.calibration.robustness import unchanged_shares
from fluxrouter_server.calibration.shipped import default_model
from fluxrouter_server.calibration.splits import FOLDS, hash_of
from fluxrouter_server.calibration.training import train
from fluxrouter_server.domain.catalog import Tier
from fluxrouter_server.routing.tier_choice import USUAL_COSTS, Policy, WeighingTierChooser
from fluxrouter_server.routing.tier_model import TierModel

_KINDS = ("mmlu", "gsm8k", "mmlu_pro", "lanes")
_MOST_LABELS = 1500
# Training is single-threaded; times are measured when it is over.
_PROCESSES = 2
# In its answers the strong model was cut off after one token, so that it looks bad at it.
_DEFECTIVE_SUBJECT = "high_school_mathematics"
# Below the 18 that the lanes may cost, by the spread of a fold's mean cost.
_TARGET_COST = 17.6
_HALF_OF_CALLS = (USUAL_COSTS[Tier.FAST] + USUAL_COSTS[Tier.REASONING]) / 2
_ROBUSTNESS_ROWS = 400
_TIMED_CHARACTERS = 4096
_TIMED_PROMPTS = 500
_LONG_PROMPTS = 20
# The median of so many counts for each prompt: neighbours in the processor's caches come and go.
_TIMES_EACH = 3


@dataclass(frozen=True, slots=True)
class Line:
    """The figures of one task between two models."""

    task: str
    rows: int
    trained_on: int
    apgr: Interval
    length: Interval
    difference: Interval
    cpt50: Interval


def main() -> int:
    """Measure, print the table and the JSON line; 2 where the data cannot be used."""
    parser = argparse.ArgumentParser(description="Measure routing on labelled prompts.")
    parser.add_argument("folder", type=Path, help="where the labelled files are")
    folder: Path = parser.parse_args().folder
    started = time.monotonic()
    try:
        data = {kind: _load(folder, kind) for kind in _KINDS}
        clean = _without_defect(folder, data["mmlu"])
    except DatasetError as error:
        print(f"bench-routing: {error}", file=sys.stderr)
        return 2
    tasks = {"mmlu": data["mmlu"], "mmlu_clean": clean}
    tasks |= {kind: data[kind] for kind in ("gsm8k", "mmlu_pro")}
    with ProcessPoolExecutor(_PROCESSES) as pool:
        routed = pool.submit(_measure_lanes, data["lanes"])
        lines = dict(zip(tasks, pool.map(_measure, tasks, tasks.values()), strict=True))
        lanes = routed.result()
    _print_lines(list(lines.values()))
    _print_lanes(data["lanes"], lanes)
    _print_default(data)
    _print_robustness(data)
    p50_us, p99_us = _print_times(data)
    print(f"\n{time.monotonic() - started:.0f} s")
    summary = {
        "mmlu_apgr": lines["mmlu"].apgr.value,
        "mmlu_cpt50": lines["mmlu"].cpt50.value,
        "mmlu_clean_apgr": lines["mmlu_clean"].apgr.value,
        "gsm8k_apgr": lines["gsm8k"].apgr.value,
        "mmlu_pro_apgr": lines["mmlu_pro"].apgr.value,
        "lanes_accuracy": lanes.accuracy.value,
        "lanes_relative_cost": lanes.cost.value,
        "p50_us": p50_us,
        "p99_us": p99_us,
    }
    print(json.dumps({name: round(value, 4) for name, value in summary.items()}))
    return 0


def _files(folder: Path, kind: str) -> list[Path]:
    """The files of a kind; `mmlu_pro` begins like `mmlu`, so the longest kind that fits wins."""
    found = []
    for path in sorted(folder.glob("*.jsonl*")):
        fits = [one for one in _KINDS if path.name.startswith(one)]
        if fits and max(fits, key=len) == kind:
            found.append(path)
    if not found:
        raise DatasetError(f"{folder}: no file {kind}*.jsonl or {kind}*.jsonl.gz: add one")
    return found


def _load(folder: Path, kind: str) -> Dataset:
    """All rows of a kind. The same prompt in two files falls into one fold, so nothing leaks."""
    sets = [read_dataset(path) for path in _files(folder, kind)]
    return Dataset(
        sets[0].tiers,
        tuple(prompt for one in sets for prompt in one.prompts),
        tuple(scores for one in sets for scores in one.scores),
    )


def _without_defect(folder: Path, mmlu: Dataset) -> Dataset:
    subjects = [row.get("subject") for path in _files(folder, "mmlu") for _, row in read_rows(path)]
    return mmlu.where([subject != _DEFECTIVE_SUBJECT for subject in subjects])


def _measure(name: str, dataset: Dataset) -> Line:
    predictions = cross_fit(dataset, most_labels=_MOST_LABELS)
    contest = contest_of(dataset, predictions)
    apgr, length, difference, cpt50 = bootstrap(contest.figures, len(dataset.prompts))
    return Line(
        name, len(dataset.prompts), predictions.most_trained, apgr, length, difference, cpt50
    )


def _measure_lanes(dataset: Dataset) -> Balance:
    predictions = cross_fit(dataset, most_labels=_MOST_LABELS)
    return balance_at_cost(dataset, predictions, _TARGET_COST, USUAL_COSTS)


def _print_lines(lines: Sequence[Line]) -> None:
    print(
        f"{FOLDS} folds by hash; every row counts once, judged by a model of at most"
        f" {_MOST_LABELS} rows of the other folds; 95% intervals"
    )
    print(
        f"\n{'task':<11}{'rows':>6}{'trained':>8}  {'APGR':<22}{'length rule':<22}"
        f"{'paired difference':<24}CPT50"
    )
    for line in lines:
        print(
            f"{line.task:<11}{line.rows:>6}{line.trained_on:>8}  {line.apgr!s:<22}"
            f"{line.length!s:<22}{line.difference!s:<24}{line.cpt50}"
        )
    print("random                    0.500                                        ", end="")
    print("                         0.500")


def _print_lanes(dataset: Dataset, lanes: Balance) -> None:
    print(f"\nthree lanes at costs 1, 10, 30 ({len(dataset.prompts)} rows)")
    for tier, scores in zip(dataset.tiers, zip(*dataset.scores, strict=True), strict=True):
        print(f"  always {tier:<10} accuracy {mean(scores):.3f}   cost {USUAL_COSTS[tier]:.1f}")
    cost = lanes.cost
    shares = ", ".join(f"{tier} {share:.0%}" for tier, share in lanes.shares.items())
    print(
        f"  routed            accuracy {lanes.accuracy}   cost {cost.value:.2f}"
        f" [{cost.low:.2f}, {cost.high:.2f}]   {shares}"
    )


def _print_default(data: dict[str, Dataset]) -> None:
    """The model that ships was trained on none of these rows nor on any like them."""
    model = default_model()
    print(f"\nthe default model {model.name}, without any of these labels")
    for kind, dataset in data.items():
        contest = contest_of(dataset, predict(model, dataset))
        apgr, _, difference, _ = bootstrap(contest.figures, len(dataset.prompts), draws=300)
        print(f"  {kind:<11} APGR {apgr}   to length {difference}")


def _decider(model: TierModel, target: float, dataset: Dataset) -> Callable[[str], Tier]:
    """Return the decision of a model at the cost weight that keeps to a mean cost."""
    weight = cost_weight_for(predict(model, dataset).quality, model.tiers, USUAL_COSTS, target)
    chooser = WeighingTierChooser(model, Policy(USUAL_COSTS, weight))
    return lambda text: chooser.choose(text, tuple(Tier)).tier


def _print_robustness(data: dict[str, Dataset]) -> None:
    print("\ndecisions unchanged when the prompt is changed")
    for kind, target in (("mmlu", _HALF_OF_CALLS), ("lanes", _TARGET_COST)):
        dataset = data[kind]
        decide = _decider(train(dataset, name=kind), target, dataset)
        sample = sorted(dataset.prompts, key=lambda text: hash_of(text, "robustness"))
        shares = unchanged_shares(decide, sample[:_ROBUSTNESS_ROWS])
        print(f"  {kind:<11}", ", ".join(f"{name} {share:.1%}" for name, share in shares.items()))


def _print_times(data: dict[str, Dataset]) -> tuple[float, float]:
    prompts = [prompt for dataset in data.values() for prompt in dataset.prompts]
    prompts.sort(key=lambda text: hash_of(text, "times"))
    chooser = WeighingTierChooser(
        train(data["lanes"], name="lanes"),
        Policy(USUAL_COSTS, default_model().balanced_cost_weight),
    )
    joined = "\n".join(prompts)
    four_kilobytes = [
        joined[start * 997 % (len(joined) // 2) :][:_TIMED_CHARACTERS]
        for start in range(_TIMED_PROMPTS)
    ]
    megabyte = (joined * (2**20 // len(joined) + 1))[: 2**20]
    print("\nCPU time of a decision, µs")
    _times(chooser, four_kilobytes[:50])  # warms up
    figures = (0.0, 0.0)
    for name, timed in (
        ("as they are", prompts[:_TIMED_PROMPTS]),
        ("1 MB", [megabyte] * _LONG_PROMPTS),
        ("4 KB", four_kilobytes),
    ):
        figures = _times(chooser, timed)
        print(f"  {name:<12} p50 {figures[0]:6.0f}   p99 {figures[1]:6.0f}")
    return figures


def _times(chooser: WeighingTierChooser, prompts: Sequence[str]) -> tuple[float, float]:
    """Return the median and the 99th percentile, over prompts, in µs of CPU time."""
    spent = [median(_time(chooser, prompt) for _ in range(_TIMES_EACH)) for prompt in prompts]
    return median(spent), quantiles(spent, n=100)[98]


def _time(chooser: WeighingTierChooser, prompt: str) -> float:
    before = time.thread_time_ns()
    chooser.choose(prompt, tuple(Tier))
    return (time.thread_time_ns() - before) / 1000


if __name__ == "__main__":
    sys.exit(main())
