import subprocess
import sys
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxrouter_server.routing.features import (
    BUCKETS,
    DENSE_NAMES,
    FEATURE_VERSION,
    Features,
    extract,
)
from fluxrouter_server.routing.reading import words_of
from fluxrouter_server.routing.vocabulary import CUES, FIELDS

PROMPT = "Prove that $\\sum_{k=1}^{n} k = \\frac{n(n+1)}{2}$ for 12 and 345 apples, naïve Σ 你好."


def value(text: str, name: str) -> float:
    return extract(text).dense[DENSE_NAMES.index(name)]


@given(st.text(max_size=300))
def test_any_text_has_finite_features_of_the_stated_shape(text: str) -> None:
    features = extract(text)
    assert len(features.dense) == len(DENSE_NAMES)
    assert all(0.0 <= one < 1e6 for one in features.dense)
    assert all(0 <= bucket < BUCKETS for bucket in features.buckets)
    assert len(set(features.buckets)) == len(features.buckets)


def test_half_a_surrogate_pair_is_read_as_a_question_mark() -> None:
    assert extract("odd \ud800 text").dense == extract("odd ? text").dense


def test_names_of_features_are_unique() -> None:
    assert len(set(DENSE_NAMES)) == len(DENSE_NAMES)


@pytest.mark.parametrize("words", [*FIELDS.values(), *CUES.values()])
def test_every_word_of_the_vocabulary_is_one_that_texts_are_split_into(words: str) -> None:
    for word in words.split():
        assert words_of(word.encode()) == [word.encode()]


def test_features_are_the_same_in_every_process() -> None:
    """Python's own hash of texts differs from process to process unless it is told not to."""
    program = (
        "from fluxrouter_server.routing.features import extract\n"
        f"f = extract({PROMPT!r})\nprint(f.dense, sorted(f.buckets))"
    )
    answers = {
        subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout
        for seed in ("1", "2")
    }
    here = extract(PROMPT)
    assert answers == {f"{here.dense} {sorted(here.buckets)}\n"}


def test_features_are_those_that_models_were_trained_on() -> None:
    """Whoever changes what a text yields must raise FEATURE_VERSION and train models again."""
    texts = (PROMPT, "Which?\nA. 1.5\nB. none of the above", "def f(x): return x()", "Как дела?")
    seen = [
        ([round(one, 9) for one in features.dense], sorted(features.buckets))
        for features in map(extract, texts)
    ]
    assert FEATURE_VERSION == 1
    assert sha256(repr(seen).encode()).hexdigest()[:16] == "5ec12a290873867f"


@pytest.mark.parametrize(
    "other",
    [
        PROMPT.lower(),
        PROMPT.upper().lower(),
        PROMPT.replace(" ", "  \n\t"),
        f"\n\n   {PROMPT}   ",
        f"Hello! {PROMPT}",
        f"Hi there, I hope you are doing well. {PROMPT}",
        f"{PROMPT}\n\nLet's think step by step.",
        f"{PROMPT} Think about it carefully step-by-step!",
        f"{PROMPT} Thank you very much!",
    ],
)
def test_case_spacing_and_courtesies_change_nothing(other: str) -> None:
    assert extract(other) == extract(PROMPT)


@pytest.mark.parametrize(
    "text",
    [
        "Hey, what is a monad in step by step terms of category theory?",
        "Highlight the changes.",
        "Explain step by step how to bake bread",
        "Thank you notes: write one to my aunt.",
    ],
)
def test_what_only_looks_like_a_courtesy_is_read(text: str) -> None:
    assert len(extract(text).buckets) >= 4


def test_a_text_of_a_megabyte_is_read_at_its_beginning_and_its_end() -> None:
    middle = extract("start " + "a" * 10**6 + " prove the theorem")
    assert middle.dense[DENSE_NAMES.index("field: proof")] > 0
    assert value("a" * 10**6, "text length") > value("a" * 2000, "text length") + 5
    assert len(extract("a b c d e " * 10**5).buckets) <= 2 * 512


def test_mathematical_notation_is_seen() -> None:
    assert value("Find $\\frac{1}{2} + \\sqrt{x^2}$", "commands") > 1
    assert value("∀x ∃y: x ≤ y", "mathematical signs") > 1
    assert value("What is a cat?", "commands") == 0


def test_code_is_seen() -> None:
    code = "def f(x):\n    return x.upper()\n"
    assert value(code, "definitions") > 0
    assert value(code, "field: programming") > value("a poem about spring", "field: programming")
    assert value(f"```python\n{code}```", "code fence") == 1


def test_choices_are_seen_however_they_are_laid_out() -> None:
    lines = "Which one?\nA. red\nB. green\nC. blue"
    assert value(lines, "choices") == value(lines.replace("\n", " "), "choices") > 1
    assert value("Which one? a) red b) green", "choices") > 0
    assert value("Plan B. It failed.", "choices") > 0  # a price of not parsing sentences
    assert value("Which one?", "choices") == 0


@pytest.mark.parametrize(
    "text,words",
    [
        ("naïve café", ["naïve", "café"]),
        ("привет мир", ["привет", "мир"]),
        ("καλημέρα", ["καλημέρα"]),
        ("你好", ["你", "好"]),
        ("可愛い", ["可", "愛", "い"]),
        ("don’t", ["don", "t"]),
        ("x7 42", ["x", "0", "00"]),
        ("π≈3", ["π", "0"]),
    ],
)
def test_texts_of_many_scripts_are_split_into_words(text: str, words: list[str]) -> None:
    assert words_of(text.encode()) == [word.encode() for word in words]


@pytest.mark.parametrize("text", ["", "   ", "\n", "!!!"])
def test_a_text_without_words_has_no_buckets(text: str) -> None:
    assert extract(text).buckets == ()


def test_an_empty_text_has_features_of_zero() -> None:
    assert extract("") == Features((0.0,) * len(DENSE_NAMES), ())
