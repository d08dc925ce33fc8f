"""Makes labels for calibration of decision logs: what was chosen, joined with how good it was.

An answer's grade says how good the tier that served was. How good the others would have been is
known only where somebody had them answer as well; such scores come in a file of their own. Tiers
without a score stay null.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from fluxrouter_server.calibration.dataset import DatasetError, read_rows
from fluxrouter_server.domain.catalog import Tier

_MOST_PERCENT = 100.0


@dataclass(slots=True)
class _Kept:
    """What is known of one choice: the log's entry, and scores by tier."""

    entry: Mapping[str, Any]
    scores: dict[str, float] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Export:
    """Labels, one for each choice with a score, and what they were made of.

    `complete` are those of the rows with a score of every tier that any row has a score of.
    """

    rows: tuple[Mapping[str, Any], ...]
    choices: int
    complete: int


def export_labels(logs: Iterable[Path], outcomes: Path | None = None) -> Export:
    """Return the labels in decision logs: files, or folders of `decisions-*.jsonl`.

    `outcomes` is a file of JSON Lines that name a request by `hold_id` or `request_id` and score it
    from 0 to 1: by tier (`"fast": 0, "reasoning": 1`), or by `score` the tier that served. It comes
    before the grades in the log.

    Raises:
        DatasetError: if a file cannot be read, or an outcome is wrong or of no choice in the logs.
    """
    files = sorted({file for log in logs for file in _files(log)})
    kept: dict[str, _Kept] = {}
    grades: dict[str, float] = {}
    for file in files:
        for line, row in read_rows(file):
            if row.get("kind") == "choice":
                kept.setdefault(_text(file, line, row, "hold_id"), _Kept(row))
            elif row.get("kind") == "grade":
                grades[_text(file, line, row, "hold_id")] = row["quality_percent"] / _MOST_PERCENT
    for hold_id, score in grades.items():
        if hold_id in kept:  # else the tier was asked for: nothing was chosen
            one = kept[hold_id]
            one.scores[one.entry["served_tier"]] = score
    if outcomes is not None:
        _take_outcomes(outcomes, kept)
    rows = tuple(_row(one) for one in kept.values() if one.scores)
    scored = {tier for one in kept.values() for tier in one.scores}
    complete = sum(1 for one in kept.values() if one.scores and scored <= one.scores.keys())
    return Export(rows, len(kept), complete)


def _files(log: Path) -> Iterator[Path]:
    if log.is_dir():
        yield from log.glob("decisions-*.jsonl*")
    else:
        yield log


def _take_outcomes(path: Path, kept: Mapping[str, _Kept]) -> None:
    by_request = {one.entry["request_id"]: one for one in kept.values()}
    for line, row in read_rows(path):
        one = kept.get(row.get("hold_id", "")) or by_request.get(row.get("request_id", ""))
        if one is None:
            raise DatasetError(
                f"{path}:{line}: no choice has this hold_id or request_id: give the logs of all"
                " servers, and outcomes of what `flux-auto` chose alone"
            )
        given = {tier.value: row[tier] for tier in Tier if row.get(tier) is not None}
        if row.get("score") is not None:
            given[one.entry["served_tier"]] = row["score"]
        for tier, score in given.items():
            if not isinstance(score, int | float) or not 0 <= score <= 1:
                raise DatasetError(
                    f"{path}:{line}: {tier}: {score!r:.40} is no score: give true, false or a"
                    " number from 0 to 1"
                )
            one.scores[tier] = float(score)


def _row(one: _Kept) -> Mapping[str, Any]:
    entry = one.entry
    known = {"prompt": entry["text"]} if "text" in entry else {"features": entry["features"]}
    scores = {tier.value: one.scores.get(tier) for tier in Tier}
    return {"hold_id": entry["hold_id"], **known, **scores}


def _text(file: Path, line: int, row: Mapping[str, Any], name: str) -> str:
    value = row.get(name)
    if not isinstance(value, str):
        raise DatasetError(f"{file}:{line}: {name}: missing: this is no decision log")
    return value
