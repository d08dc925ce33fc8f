import json
from hashlib import sha256
from pathlib import Path
from xml.etree import ElementTree as ET

import pytest

from fluxrouter_server.calibration.dataset import DatasetError, NoGapError, read_dataset
from fluxrouter_server.calibration.entry import calibrate, evaluate
from fluxrouter_server.calibration.plot import plot_svg
from fluxrouter_server.calibration.report import Report
from fluxrouter_server.calibration.training import train
from fluxrouter_server.domain.catalog import Tier
from fluxrouter_server.routing.features import FEATURE_VERSION, extract
from fluxrouter_server.routing.model_file import ModelFileError, read_model, write_model
from fluxrouter_testing.labelled_prompts import labelled_rows, write_rows
from fluxrouter_testing.tier_models import tier_model

LANES = ("fast", "standard", "reasoning")


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("calibration")


@pytest.fixture(scope="module")
def good(folder: Path) -> Report:
    """A calibration on the fewest labels that there may be, which there is something to find in."""
    data = write_rows(folder / "good.jsonl", labelled_rows(300))
    return calibrate(data, folder / "good.json")


def test_three_hundred_labels_are_enough_where_there_is_something_to_find(
    good: Report, folder: Path
) -> None:
    assert good.beats_length
    assert good.apgr.low > 0.7
    assert good.length_apgr.value < 0.65
    assert good.cpt50.value < 0.35
    assert good.rows == 300
    assert 250 <= good.trained_on < 300
    model = read_model((folder / "good.json").read_bytes())
    assert model.sha256 == good.model_sha256
    assert model.tiers == (Tier.FAST, Tier.REASONING)
    assert model.name == "good"
    assert model.facts["labels"] == "300"


def test_training_can_be_repeated_to_the_byte(good: Report, folder: Path) -> None:
    again = train(read_dataset(folder / "good.jsonl"), name="good")
    assert write_model(again) == (folder / "good.json").read_bytes()
    assert sha256(write_model(again)).hexdigest() == good.model_sha256


def test_labels_that_say_nothing_are_refused_and_nothing_is_written(folder: Path) -> None:
    data = write_rows(folder / "noise.jsonl", labelled_rows(300, learnable=False))
    report = calibrate(data, folder / "noise.json")
    assert not report.beats_length
    assert not (folder / "noise.json").exists()
    assert report.gain_over_length.low <= 0
    assert "REFUSED: the model does not beat prompt length" in report.as_text()


def test_a_model_that_is_as_good_as_length_but_no_better_is_refused(folder: Path) -> None:
    rows = [
        {"prompt": "word " * (1 + number % 40), "weak": number % 40 < 20, "strong": True}
        for number in range(300)
    ]
    report = calibrate(write_rows(folder / "length.jsonl", list(rows)), folder / "length.json")
    assert report.apgr.value > 0.7
    assert not report.beats_length
    assert not (folder / "length.json").exists()


def test_fewer_labels_are_refused_with_the_number_to_collect(folder: Path) -> None:
    data = write_rows(folder / "few.jsonl", labelled_rows(299))
    with pytest.raises(DatasetError, match="299 labels are too few: collect at least 300"):
        calibrate(data, None)


def test_rows_with_a_score_of_some_tiers_train_and_do_not_judge(folder: Path) -> None:
    rows = labelled_rows(400)
    for row in rows[300:]:
        row["weak"] = None
    report = calibrate(write_rows(folder / "partly.jsonl", rows), None)
    assert report.rows == 300
    assert 330 <= report.trained_on < 400
    assert report.beats_length


def test_rows_with_a_score_of_some_tiers_do_not_make_up_for_too_few(folder: Path) -> None:
    rows = labelled_rows(310)
    for row in rows[299:]:
        row["strong"] = None
    data = write_rows(folder / "too-partly.jsonl", rows)
    with pytest.raises(DatasetError, match=r"299 labels \(and 11 more with a score of some tiers"):
        calibrate(data, None)


def test_labels_without_text_calibrate_the_same_model(good: Report, folder: Path) -> None:
    rows = labelled_rows(300)
    for row in rows:
        features = extract(str(row.pop("prompt")))
        row["features"] = {
            "version": FEATURE_VERSION,
            "dense": features.dense,
            "buckets": sorted(features.buckets),
        }
    report = calibrate(write_rows(folder / "numbers.jsonl", rows), folder / "numbers.json")
    assert report.beats_length
    assert report.accuracies == pytest.approx(good.accuracies)
    wording = read_model((folder / "good.json").read_bytes()).judge(extract("theorem"))
    numbers = read_model((folder / "numbers.json").read_bytes()).judge(extract("theorem"))
    assert numbers.expected_quality == pytest.approx(wording.expected_quality, abs=1e-3)


def test_labels_on_which_the_strong_model_is_no_better_are_refused(folder: Path) -> None:
    rows = labelled_rows(300, columns=("strong", "weak"))
    with pytest.raises(NoGapError, match="columns are not swapped"):
        calibrate(write_rows(folder / "swapped.jsonl", rows), None)


def test_three_tiers_are_balanced_to_a_cost(folder: Path) -> None:
    data = write_rows(folder / "lanes.jsonl", labelled_rows(300, columns=LANES))
    report = calibrate(data, folder / "lanes.json", target_cost=15.0)
    assert report.balance.cost.value <= 15.0
    assert report.balance.accuracy.value > report.accuracies[Tier.STANDARD]
    assert sum(report.balance.shares.values()) == pytest.approx(1.0)
    model = read_model((folder / "lanes.json").read_bytes())
    assert model.balanced_cost_weight == report.balance.cost_weight
    assert model.tiers == tuple(Tier)


def test_evaluation_on_other_rows_agrees_with_cross_validation(good: Report, folder: Path) -> None:
    data = write_rows(folder / "fresh.jsonl", labelled_rows(600, seed=1))
    report = evaluate(folder / "good.json", data)
    assert report.beats_length
    assert report.model_sha256 == good.model_sha256
    assert report.apgr.low < good.apgr.value < report.apgr.high + 0.05
    assert "none of which the model must have seen" in report.as_text()


def test_columns_of_any_name_can_be_evaluated(folder: Path) -> None:
    columns = {"small": Tier.FAST, "large": Tier.STANDARD}
    rows = labelled_rows(300, columns=("small", "large"))
    (folder / "alike.json").write_bytes(write_model(tier_model()))
    data = write_rows(folder / "named.jsonl", rows)
    report = evaluate(folder / "alike.json", data, columns=columns)
    assert set(report.accuracies) == {Tier.FAST, Tier.STANDARD}


@pytest.mark.usefixtures("good")
def test_labels_of_a_tier_that_the_model_does_not_know_are_refused(folder: Path) -> None:
    data = write_rows(folder / "unknown.jsonl", labelled_rows(300, columns=LANES))
    with pytest.raises(DatasetError, match="estimates fast, reasoning, not standard"):
        evaluate(folder / "good.json", data)


@pytest.mark.usefixtures("good")
def test_a_file_that_is_no_model_is_refused(folder: Path) -> None:
    with pytest.raises(ModelFileError, match="fetch it again"):
        evaluate(folder / "good.jsonl", folder / "good.jsonl")


@pytest.mark.usefixtures("good")
def test_a_model_that_judges_all_prompts_alike_is_no_better_than_chance(folder: Path) -> None:
    (folder / "alike.json").write_bytes(write_model(tier_model()))
    report = evaluate(folder / "alike.json", folder / "good.jsonl")
    assert report.apgr.value == pytest.approx(0.5)
    assert not report.beats_length


def test_a_report_is_complete_as_json(good: Report) -> None:
    document = json.loads(json.dumps(good.as_json()))
    assert document["beats_length"] is True
    assert document["apgr"]["low"] <= document["apgr"]["value"] <= document["apgr"]["high"]
    assert [point["share"] for point in document["points"]][::20] == [0.0, 1.0]
    first, last = document["points"][0], document["points"][-1]
    assert first["accuracy"] == pytest.approx(document["accuracies"]["fast"])
    assert last["accuracy"] == pytest.approx(document["accuracies"]["reasoning"])
    assert [row["recovered"] for row in document["equal_quality"]] == [0.5, 0.8, 0.9, 0.95]


def test_every_figure_of_the_table_stands_with_its_interval(good: Report) -> None:
    text = good.as_text()
    for interval in (good.apgr, good.cpt50, good.length_apgr, good.gain_over_length):
        assert f"{interval.value:.3f} [{interval.low:.3f}, {interval.high:.3f}]" in text


def test_the_plot_is_a_picture_with_three_curves(good: Report) -> None:
    picture = ET.fromstring(plot_svg(good))
    curves = picture.findall("{http://www.w3.org/2000/svg}polyline")
    assert [len(curve.attrib["points"].split()) for curve in curves] == [21, 21, 21]
    texts = {text.text for text in picture.iter("{http://www.w3.org/2000/svg}text")}
    assert {"model", "prompt length", "random", "accuracy"} <= texts
