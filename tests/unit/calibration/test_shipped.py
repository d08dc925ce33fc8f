import sys

import pytest

from fluxrouter_server.calibration.default_model import train_default
from fluxrouter_server.calibration.default_prompts import FAMILIES, default_dataset
from fluxrouter_server.calibration.entry import (
    CalibrationUnavailableError,
    calibrate,
    evaluate,
    explain,
)
from fluxrouter_server.calibration.shipped import default_model, default_model_bytes
from fluxrouter_server.domain.catalog import Tier
from fluxrouter_server.routing.features import extract
from fluxrouter_server.routing.model_file import read_model

PROOF = "Prove that $\\sum_{k=1}^n k^3 = \\left(\\frac{n(n+1)}{2}\\right)^2$ for all $n \\ge 1$."


def test_the_default_model_is_read_from_the_package() -> None:
    model = default_model()
    assert model.name == "default-v1"
    assert model.tiers == tuple(Tier)
    assert model == read_model(default_model_bytes())
    assert "not measured" in model.facts["label_kind"]


@pytest.mark.parametrize(
    "text,tier",
    [
        ("Hi there!", Tier.FAST),
        ("What is the capital of France?", Tier.FAST),
        ("Write a short thank-you note to my aunt.", Tier.FAST),
        ("Erzähl mir einen Witz.", Tier.FAST),
        ("def f(xs):\n    for x in xs:\n        xs.append(x * 2)\n    return xs", Tier.STANDARD),
        (PROOF, Tier.REASONING),
    ],
)
def test_plainly_easy_and_plainly_hard_prompts_go_where_people_expect(
    text: str, tier: Tier
) -> None:
    assert explain(text).tier is tier


@pytest.mark.parametrize("words", ["Beweise, dass", "Démontrez que", "证明", "Докажите, что"])
def test_a_proof_in_another_language_is_not_taken_for_an_easy_prompt(words: str) -> None:
    assert explain(PROOF.replace("Prove that", words)).tier is not Tier.FAST


def test_an_explanation_says_what_was_seen() -> None:
    assert "mathematical notation" in explain(PROOF).reasons
    assert explain(PROOF).model_sha256 == default_model().sha256


def test_a_long_document_is_not_hard_for_being_long() -> None:
    document = "The committee met on Monday and agreed to repaint the hall. " * 1000
    assert explain(f"Summarize this text:\n{document}").tier is not Tier.REASONING


def test_an_explanation_keeps_to_the_permitted_tiers_and_the_weight() -> None:
    assert explain(PROOF, permitted=(Tier.FAST, Tier.STANDARD)).tier is Tier.STANDARD
    assert explain(PROOF, cost_weight=4.0).tier is Tier.FAST


def test_written_prompts_are_many_different_and_the_same_every_time() -> None:
    dataset = default_dataset()
    assert dataset == default_dataset()
    assert len(dataset.prompts) == len(set(dataset.prompts)) > 2500
    assert all(0 < score < 1 for scores in dataset.scores for score in scores)
    assert all(fast <= standard <= best for fast, standard, best in dataset.scores)
    assert not [prompt for prompt in dataset.prompts if "<" in prompt and "1>" in prompt]


def test_every_kind_of_task_is_written_in_several_ways() -> None:
    assert len({family.name for family in FAMILIES}) == len(FAMILIES) >= 15
    assert all(len(level.sources) >= 1 for family in FAMILIES for level in family.levels)


def test_the_shipped_file_is_what_the_script_trains() -> None:
    trained, shipped = train_default(), default_model()
    assert trained.facts == shipped.facts
    for prompt in default_dataset().prompts[::50]:
        features = extract(prompt)
        again = trained.judge(features).expected_quality
        # Linear algebra differs in its last places from processor to processor.
        assert again == pytest.approx(shipped.judge(features).expected_quality, abs=1e-4)


def test_without_numpy_calibration_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    # What Python does with a module that is known not to be there.
    monkeypatch.setitem(sys.modules, "numpy", None)
    with pytest.raises(CalibrationUnavailableError, match=r"pip install fluxrouter\[calibrate\]"):
        calibrate(None, None)  # type: ignore[arg-type] - nothing is read before
    with pytest.raises(CalibrationUnavailableError, match="numpy"):
        evaluate(None, None)  # type: ignore[arg-type] - nothing is read before
