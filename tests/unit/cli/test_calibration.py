"""Calibrating, evaluating and explaining by the command, as people and scripts do."""

import gzip
import json
import sys
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

# Before anything imports numpy, whose threads the package keeps from spinning.
import fluxrouter_server.calibration as _first  # noqa: F401
from fluxrouter_server.calibration.shipped import default_model
from fluxrouter_server.cli.main import main
from fluxrouter_server.routing.model_file import read_model
from fluxrouter_testing.labelled_prompts import labelled_rows, write_rows


def fluxrouter(*words: object) -> Result:
    return CliRunner().invoke(main, [str(word) for word in words])


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("calibration")


@pytest.fixture(scope="module")
def labels(folder: Path) -> Path:
    """Labels that there is something to find in, gzipped."""
    plain = write_rows(folder / "plain.jsonl", labelled_rows(300))
    packed = folder / "labels.jsonl.gz"
    packed.write_bytes(gzip.compress(plain.read_bytes()))
    return packed


@pytest.fixture(scope="module")
def noise(folder: Path) -> Path:
    """Labels that say nothing."""
    return write_rows(folder / "noise.jsonl", labelled_rows(300, learnable=False))


@pytest.fixture(scope="module")
def calibrated(folder: Path, labels: Path) -> tuple[Result, Path]:
    """What the command said, and the model that it wrote."""
    model = folder / "model.json"
    plot = folder / "curves.svg"
    return fluxrouter("calibrate", labels, "--out", model, "--plot", plot, "-o", "json"), model


def test_a_good_model_is_written_and_reported_as_json(calibrated: tuple[Result, Path]) -> None:
    result, model = calibrated
    assert result.exit_code == 0, result.output
    report = json.loads(result.stdout)
    assert report["beats_length"] is True
    assert report["written"] == str(model)
    assert report["model_sha256"] == read_model(model.read_bytes()).sha256
    assert set(report["apgr"]) == {"value", "low", "high"}


def test_the_curves_are_drawn_beside_it(calibrated: tuple[Result, Path]) -> None:
    assert (calibrated[1].parent / "curves.svg").read_text().startswith("<svg")


def test_a_refused_model_is_reported_with_exit_code_3_and_not_written(
    folder: Path, noise: Path
) -> None:
    result = fluxrouter("calibrate", noise, "--out", folder / "noise.json")
    assert result.exit_code == 3
    assert "paired difference" in result.stdout
    assert "REFUSED: the model does not beat prompt length" in result.stdout
    assert not (folder / "noise.json").exists()


def test_evaluation_reports_on_other_labels(calibrated: tuple[Result, Path], folder: Path) -> None:
    fresh = write_rows(folder / "fresh.jsonl", labelled_rows(400, seed=1))
    result = fluxrouter("evaluate", calibrated[1], fresh)
    assert result.exit_code == 0, result.output
    assert "none of which the model must have seen" in result.stdout


def test_evaluation_of_a_model_that_is_no_better_than_length_exits_3_with_the_report(
    calibrated: tuple[Result, Path], noise: Path
) -> None:
    result = fluxrouter("evaluate", calibrated[1], noise, "-o", "json")
    assert result.exit_code == 3
    assert json.loads(result.stdout)["beats_length"] is False


def test_labels_without_a_gap_are_refused_with_exit_code_3(folder: Path) -> None:
    swapped = write_rows(folder / "swapped.jsonl", labelled_rows(300, columns=("strong", "weak")))
    result = fluxrouter("calibrate", swapped)
    assert result.exit_code == 3
    assert "check that the columns are not swapped" in result.stderr


def test_labels_that_cannot_be_read_fail_with_their_line(folder: Path) -> None:
    (folder / "broken.jsonl").write_text("no JSON\n")
    result = fluxrouter("calibrate", folder / "broken.jsonl")
    assert result.exit_code == 1
    assert "broken.jsonl:1: not JSON" in result.stderr


def test_a_missing_folder_is_refused_before_the_training(folder: Path, labels: Path) -> None:
    result = fluxrouter("calibrate", labels, "--out", folder / "nowhere" / "model.json")
    assert result.exit_code == 2
    assert "create it first" in result.stderr


def test_columns_of_other_names_are_told_which_tier_they_score(folder: Path) -> None:
    rows = labelled_rows(300, columns=("small", "large"))
    named = write_rows(folder / "named.jsonl", rows)
    words = ("--column", "small=fast", "--column", "large=standard", "-o", "json")
    assert set(json.loads(fluxrouter("calibrate", named, *words).stdout)["accuracies"]) == {
        "fast",
        "standard",
    }
    wrong = fluxrouter("calibrate", named, "--column", "small=cheap")
    assert wrong.exit_code == 2
    assert "a tier is fast, standard, reasoning" in wrong.stderr


def test_without_numpy_the_command_says_what_to_install(
    labels: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # What Python does with a module that is known not to be there.
    monkeypatch.setitem(sys.modules, "numpy", None)
    result = fluxrouter("calibrate", labels)
    assert result.exit_code == 1
    assert "pip install fluxrouter[calibrate]" in result.stderr


def test_an_explanation_needs_neither_account_nor_server() -> None:
    words = ("route", "--explain", "--prompt", "Prove that $\\sqrt{2}$ is irrational.")
    result = fluxrouter("--server", "127.0.0.1:1", *words, "-o", "json")
    assert result.exit_code == 0, result.output
    explained = json.loads(result.stdout)
    assert explained["model_sha256"] == default_model().sha256
    assert "mathematical notation" in explained["reasons"]
    assert [score["tier"] for score in explained["scores"]] == ["fast", "standard", "reasoning"]
    best = max(explained["scores"], key=lambda score: float(score["utility"]))
    assert explained["tier"] == best["tier"]
    table = fluxrouter(*words).stdout
    assert default_model().sha256 in table
    assert "mathematical notation" in table


def test_an_explanation_by_a_calibrated_model_names_it(calibrated: tuple[Result, Path]) -> None:
    result = fluxrouter("route", "--explain", "--prompt", "hi", "--tier-model", calibrated[1])
    assert result.exit_code == 0, result.output
    assert "labels" in result.stdout


def test_a_request_to_be_routed_still_needs_an_account() -> None:
    result = fluxrouter("route", "--prompt", "hi")
    assert result.exit_code == 2
    assert "Missing argument 'ACCOUNT'" in result.stderr
