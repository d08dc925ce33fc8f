"""The same task typed in another way gets the same tier, by the model that ships."""

import pytest

from fluxrouter_server.calibration.default_prompts import default_dataset
from fluxrouter_server.calibration.entry import explain
from fluxrouter_server.calibration.robustness import PERTURBATIONS, unchanged_shares, with_typos
from fluxrouter_server.domain.catalog import Tier

#: Every twelfth prompt, so that each family is among them.
SAMPLE = default_dataset().prompts[::12]
LEAST_UNCHANGED = 0.85


#: Read as a whole, however it is spaced.
MOST_CHARACTERS = 1000


def decide(text: str) -> Tier:
    return explain(text).tier


@pytest.fixture(scope="module")
def unchanged() -> dict[str, float]:
    return unchanged_shares(decide, SAMPLE)


@pytest.fixture(scope="module")
def unchanged_short() -> dict[str, float]:
    return unchanged_shares(decide, [text for text in SAMPLE if len(text) < MOST_CHARACTERS])


@pytest.mark.parametrize("perturbation", PERTURBATIONS)
def test_most_decisions_survive(perturbation: str, unchanged: dict[str, float]) -> None:
    assert unchanged[perturbation] >= LEAST_UNCHANGED


@pytest.mark.parametrize("perturbation", ["lower case", "whitespace", "greeting", "step by step"])
def test_all_decisions_on_texts_that_are_read_whole_survive_what_is_read_past(
    perturbation: str, unchanged_short: dict[str, float]
) -> None:
    assert unchanged_short[perturbation] == 1.0


def test_the_sample_gets_every_tier_so_that_survival_means_something() -> None:
    assert {decide(text) for text in SAMPLE} == set(Tier)


def test_two_percent_of_letters_are_mistyped_and_always_the_same() -> None:
    text = "the quick brown fox jumps over the lazy dog " * 50
    typed = with_typos(text)
    assert typed == with_typos(text)
    assert typed != text
    assert abs(len(typed) - len(text)) < len(text) * 0.02


def test_every_perturbation_changes_the_text() -> None:
    text = "How many Apples are left? " * 8
    assert all(perturb(text) != text for perturb in PERTURBATIONS.values())
