import json
import stat
from contextlib import closing
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from fluxrouter_server.domain.catalog import Tier
from fluxrouter_server.routing.tier_choice import USUAL_COSTS, Policy, WeighingTierChooser
from fluxrouter_server.services.ports.decision_log import Choice, Grade
from fluxrouter_server.telemetry.decision_log import MAX_TEXT_CHARACTERS, DecisionLogFiles
from fluxrouter_testing.holds import sample_hold
from fluxrouter_testing.tier_models import tier_model

MODEL = tier_model()
POLICY = Policy(USUAL_COSTS, 0.15)


class Calendar:
    def __init__(self) -> None:
        self.now = datetime(2026, 11, 24, 23, 59, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


def choice(text: str = "a secret") -> Choice:
    chooser = WeighingTierChooser(MODEL, POLICY, (MODEL, Policy(USUAL_COSTS, 4.0)))
    return Choice(sample_hold(), Tier.FAST, chooser.choose(text, tuple(Tier)), text)


def written(folder: Path, text: str = "a secret", *, with_text: bool = False) -> None:
    with closing(DecisionLogFiles(folder, with_text=with_text)) as log:
        log.chose(choice(text))


def entries(folder: Path) -> list[dict[str, Any]]:
    lines = [line for file in sorted(folder.iterdir()) for line in file.read_text().splitlines()]
    return [json.loads(line) for line in lines]


def test_a_choice_is_one_line_with_what_was_weighed_and_what_the_shadow_would_do(
    tmp_path: Path,
) -> None:
    written(tmp_path)
    (entry,) = entries(tmp_path)
    assert entry["kind"] == "choice"
    assert (entry["tier"], entry["served_tier"], entry["shadow"]["tier"]) == (
        "reasoning",
        "fast",
        "fast",
    )
    assert entry["model_sha256"] == MODEL.sha256
    assert set(entry["expected_quality"]) == set(Tier)
    assert entry["hold_id"] == sample_hold().id


def test_text_is_written_only_where_that_was_asked_for(tmp_path: Path) -> None:
    written(tmp_path / "no")
    written(tmp_path / "yes", with_text=True)
    assert "secret" not in json.dumps(entries(tmp_path / "no"))
    assert entries(tmp_path / "yes")[0]["text"] == "a secret"


def test_a_text_too_long_for_a_line_is_written_as_features_alone(tmp_path: Path) -> None:
    written(tmp_path, "x" * (MAX_TEXT_CHARACTERS + 1), with_text=True)
    (entry,) = entries(tmp_path)
    assert "text" not in entry
    assert entry["features"]["buckets"]


def test_each_day_has_a_file_that_its_owner_alone_may_read(tmp_path: Path) -> None:
    calendar = Calendar()
    log = DecisionLogFiles(tmp_path, with_text=False, clock=calendar)
    grade = Grade(sample_hold().id, sample_hold().request_id, 50)
    log.graded(grade)
    log.graded(replace(grade, quality_percent=60))
    calendar.now += timedelta(minutes=1)
    log.graded(grade)
    log.close()
    first, second = sorted(tmp_path.iterdir())
    assert first.name.startswith("decisions-20261124-")
    assert second.name.startswith("decisions-20261125-")
    assert len(first.read_text().splitlines()) == 2
    assert stat.S_IMODE(first.stat().st_mode) == 0o600


def test_what_cannot_be_written_is_told_once_and_harms_nobody(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "file").write_text("in the way")
    log = DecisionLogFiles(tmp_path / "file", with_text=False)
    log.chose(choice())
    log.chose(choice())
    out = capsys.readouterr()
    assert (out.out + out.err).count("decision_log_lost") == 1
