"""Labels from decision logs, as the servers write them."""

import json
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from fluxrouter_server.calibration.dataset import DatasetError, read_dataset
from fluxrouter_server.calibration.export import export_labels
from fluxrouter_server.domain.catalog import Tier
from fluxrouter_server.domain.ids import HoldId, RequestId
from fluxrouter_server.routing.features import extract
from fluxrouter_server.routing.rules import TierDecision
from fluxrouter_server.services.ports.decision_log import Choice, Grade
from fluxrouter_server.telemetry.decision_log import DecisionLogFiles
from fluxrouter_testing.holds import sample_hold

TEXT = "Prove that 2 is prime."


def now() -> datetime:
    return datetime(2026, 11, 24, tzinfo=UTC)


def log_of(folder: Path, *entries: Choice | Grade, with_text: bool = False) -> None:
    """What a server process leaves in a folder."""
    with closing(DecisionLogFiles(folder, with_text=with_text, clock=now)) as log:
        for entry in entries:
            if isinstance(entry, Choice):
                log.chose(entry)
            else:
                log.graded(entry)


def choice(number: int, served: Tier = Tier.FAST, text: str = TEXT) -> Choice:
    hold = replace(
        sample_hold(), id=HoldId(f"h1.{number}"), request_id=RequestId(f"request-{number}")
    )
    return Choice(hold, served, TierDecision(served, ("because",)), text)


def grade(number: int, percent: int) -> Grade:
    return Grade(HoldId(f"h1.{number}"), RequestId(f"request-{number}"), percent)


def outcomes(folder: Path, *rows: dict[str, Any]) -> Path:
    path = folder / "outcomes.jsonl"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    return path


def test_a_grade_scores_the_tier_that_served_and_no_other(tmp_path: Path) -> None:
    log_of(tmp_path, choice(1, Tier.STANDARD), choice(2), grade(1, 75))
    export = export_labels([tmp_path])
    (row,) = export.rows
    assert (row["fast"], row["standard"], row["reasoning"]) == (None, 0.75, None)
    assert export.choices == 2


def test_a_grade_may_be_in_the_log_of_another_process_and_the_last_one_counts(
    tmp_path: Path,
) -> None:
    log_of(tmp_path / "a", choice(1))
    of_a_tier_that_was_asked_for = grade(9, 50)
    log_of(tmp_path / "b", grade(1, 0), grade(1, 100), of_a_tier_that_was_asked_for)
    (row,) = export_labels([tmp_path / "a", tmp_path / "b"]).rows
    assert row["fast"] == 1.0


def test_outcomes_by_tier_make_a_row_complete(tmp_path: Path) -> None:
    log_of(tmp_path, choice(1), choice(2), choice(3), grade(1, 50))
    scored = outcomes(
        tmp_path,
        {"hold_id": "h1.1", "reasoning": 1},
        {"request_id": "request-2", "score": 0.25, "reasoning": True},
        {"request_id": "request-3", "score": 1},
    )
    export = export_labels([tmp_path], scored)
    assert [(row["fast"], row["reasoning"]) for row in export.rows] == [
        (0.5, 1.0),
        (0.25, 1.0),
        (1.0, None),
    ]
    assert export.complete == 2


def test_labels_without_text_are_what_calibration_reads(tmp_path: Path) -> None:
    log_of(tmp_path / "log", choice(1))
    scored = outcomes(tmp_path, {"hold_id": "h1.1", "fast": 0, "reasoning": 1})
    export = export_labels([tmp_path / "log"], scored)
    labels = tmp_path / "labels.jsonl"
    labels.write_text("".join(f"{json.dumps(row)}\n" for row in export.rows))
    assert "prime" not in labels.read_text()
    dataset = read_dataset(labels)
    assert dataset.scores == ((0.0, 1.0),)
    (features,) = dataset.features()
    assert features.dense == pytest.approx(extract(TEXT).dense, rel=1e-5)
    assert sorted(features.buckets) == sorted(extract(TEXT).buckets)


def test_text_is_in_the_labels_where_it_is_in_the_log(tmp_path: Path) -> None:
    log_of(tmp_path, choice(1), grade(1, 100), with_text=True)
    (row,) = export_labels([tmp_path]).rows
    assert row["prompt"] == TEXT
    assert "features" not in row


@pytest.mark.parametrize(
    "row,message",
    [
        ({"hold_id": "h1.7", "score": 1}, "no choice has this hold_id"),
        ({"hold_id": "h1.1", "score": 2}, "fast: 2 is no score"),
        ({"hold_id": "h1.1", "reasoning": "good"}, "reasoning: 'good' is no score"),
    ],
)
def test_an_outcome_that_cannot_be_is_named_by_its_line(
    tmp_path: Path, row: dict[str, Any], message: str
) -> None:
    log_of(tmp_path, choice(1))
    with pytest.raises(DatasetError, match=f"outcomes.jsonl:1: {message}"):
        export_labels([tmp_path], outcomes(tmp_path, row))


def test_another_file_is_no_decision_log(tmp_path: Path) -> None:
    path = outcomes(tmp_path, {"kind": "choice"})
    with pytest.raises(DatasetError, match="this is no decision log"):
        export_labels([path])
