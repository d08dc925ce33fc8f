"""Reads labelled prompts: JSON Lines with a prompt and, for each tier, how good its answer was.

A row may have the features of a prompt in place of its text, as a decision log without text has
them. A score of null is not known; such a row trains where it is known, and judges nothing.
"""

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from math import expm1, isnan, nan
from pathlib import Path
from typing import Any

from fluxrouter_server.domain.catalog import Tier
from fluxrouter_server.routing.features import (
    BUCKETS,
    DENSE_NAMES,
    FEATURE_VERSION,
    Features,
    extract,
)

#: Columns that need no naming. Data about two models is usually called weak and strong.
USUAL_COLUMNS: Mapping[str, Tier] = {
    "fast": Tier.FAST,
    "standard": Tier.STANDARD,
    "reasoning": Tier.REASONING,
    "weak": Tier.FAST,
    "strong": Tier.REASONING,
}

_GZIP_MAGIC = b"\x1f\x8b"
_FEWEST_TIERS = 2
_LENGTH = DENSE_NAMES.index("text length")
_LARGEST = 1e6  # no feature comes near; infinity and NaN fail it


class DatasetError(ValueError):
    """Labels that cannot be used; the message names file, line, field, problem and remedy."""


class NoGapError(DatasetError):
    """The dearest tier is not better than the cheapest on these labels: nothing to route for."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """Prompts and their scores.

    `scores` has a row for each prompt and in it a number from 0 (useless) to 1 (right) for each of
    `tiers`, which are in the order of `Tier`; NaN is not known. `given` are the features of prompts
    whose text is not there, by their stand-ins in `prompts`.
    """

    tiers: tuple[Tier, ...]
    prompts: tuple[str, ...]
    scores: tuple[tuple[float, ...], ...]
    given: Mapping[str, Features] = field(default_factory=dict)

    def where(self, keep: list[bool]) -> "Dataset":
        """Return the rows whose place in `keep`, as long as the data, is true."""
        kept = [place for place, wanted in enumerate(keep) if wanted]
        return self.at(kept)

    def at(self, places: list[int]) -> "Dataset":
        """Return the rows at these places, in this order."""
        return Dataset(
            self.tiers,
            tuple(self.prompts[place] for place in places),
            tuple(self.scores[place] for place in places),
            self.given,
        )

    def features(self) -> list[Features]:
        """Return the features of each row."""
        return [self.given.get(prompt) or extract(prompt) for prompt in self.prompts]

    def lengths(self) -> list[float]:
        """Return how long each prompt is, in characters, or nearly so where its text is not there.

        The features know a length in bytes, letters' case and spacing evened out.
        """
        return [
            expm1(self.given[prompt].dense[_LENGTH]) if prompt in self.given else float(len(prompt))
            for prompt in self.prompts
        ]

    def complete(self) -> list[int]:
        """Return the places of the rows whose every score is known: those that can judge."""
        return [place for place, row in enumerate(self.scores) if not any(map(isnan, row))]


def require_gap(dataset: Dataset) -> None:
    """Check that the dearest tier is better than the cheapest.

    Raises:
        NoGapError: if it is not, so that no order of prompts could be better than another.
    """
    if sum(row[-1] - row[0] for row in dataset.at(dataset.complete()).scores) <= 0:
        raise NoGapError(
            f"{dataset.tiers[-1]} is not better than {dataset.tiers[0]} on these labels: check that"
            f" the columns are not swapped; if they are right, use {dataset.tiers[0]} alone"
        )


def read_dataset(path: Path, columns: Mapping[str, Tier] | None = None) -> Dataset:
    """Return the labelled prompts of a file, plain or gzipped.

    `columns` says which column scores which tier; without it the columns `fast`, `standard` and
    `reasoning`, or `weak` and `strong`, are looked for in the first row. Other columns are ignored.

    Raises:
        DatasetError: if the file cannot be read, or a row lacks a prompt or a score from 0 to 1.
    """
    rows = list(read_rows(path))
    if not rows:
        raise DatasetError(f"{path}: empty: give one JSON object with a prompt on each line")
    by_tier = _columns(path, rows[0][1], columns)
    tiers = tuple(tier for tier in Tier if tier in by_tier)
    prompts, scores = [], []
    given: dict[str, Features] = {}
    for line, row in rows:
        prompt = row.get("prompt")
        if "features" in row and prompt is None:
            features = _features(path, line, row["features"])
            prompt = f"features {sha256(repr(features).encode()).hexdigest()}"
            given[prompt] = features
        if not isinstance(prompt, str):
            raise DatasetError(f"{path}:{line}: prompt: missing or no text: give the prompt's text")
        prompts.append(prompt)
        scores.append(tuple(_score(path, line, row, by_tier[tier]) for tier in tiers))
    scored = [place for place in range(len(tiers)) if not all(isnan(row[place]) for row in scores)]
    if len(scored) < _FEWEST_TIERS:
        raise DatasetError(
            f"{path}: fewer than two tiers have a score: grade another one's answers"
        )
    return Dataset(
        tuple(tiers[place] for place in scored),
        tuple(prompts),
        tuple(tuple(row[place] for place in scored) for row in scores),
        given,
    )


def read_rows(path: Path) -> Iterator[tuple[int, dict[str, Any]]]:
    """Yield the objects of a JSON Lines file, plain or gzipped, each with its line from 1.

    Raises:
        DatasetError: if the file cannot be read or a line is no JSON object.
    """
    try:
        data = path.read_bytes()
        text = (gzip.decompress(data) if data.startswith(_GZIP_MAGIC) else data).decode()
    except (OSError, EOFError, zlib.error, UnicodeDecodeError) as error:
        raise DatasetError(f"{path}: cannot be read as UTF-8, plain or gzipped: {error}") from error
    # Not `splitlines`: prompts hold characters that it takes for ends of lines.
    for line, content in enumerate(text.split("\n"), start=1):
        if not content.strip():
            continue
        try:
            row = json.loads(content)
        except ValueError as error:
            raise DatasetError(f"{path}:{line}: not JSON: write one object a line") from error
        if not isinstance(row, dict):
            raise DatasetError(f"{path}:{line}: not a JSON object: write one object a line")
        yield line, row


def _columns(
    path: Path, row: Mapping[str, Any], columns: Mapping[str, Tier] | None
) -> dict[Tier, str]:
    wanted = columns or {name: tier for name, tier in USUAL_COLUMNS.items() if name in row}
    by_tier: dict[Tier, str] = {}
    for name, tier in wanted.items():
        if tier in by_tier:
            raise DatasetError(
                f"{path}: columns {by_tier[tier]!r} and {name!r} both score {tier}: name one a tier"
            )
        by_tier[tier] = name
    if len(by_tier) < _FEWEST_TIERS:
        raise DatasetError(
            f"{path}: want scores of at least two tiers: name the columns fast, standard and"
            " reasoning, or weak and strong, or say which column scores which tier"
        )
    return by_tier


def _features(path: Path, line: int, value: object) -> Features:
    """Read features as the decision log writes them."""
    wrong = f"{path}:{line}: features: want those of a decision log of this version of fluxrouter"
    if not isinstance(value, dict) or value.get("version") != FEATURE_VERSION:
        raise DatasetError(f"{wrong}, {FEATURE_VERSION}; label the prompt's text instead")
    dense, buckets = value.get("dense"), value.get("buckets")
    if (
        not isinstance(dense, list)
        or not isinstance(buckets, list)
        or len(dense) != len(DENSE_NAMES)
        or not all(isinstance(one, int | float) and 0 <= one < _LARGEST for one in dense)
        or not all(isinstance(one, int) and 0 <= one < BUCKETS for one in buckets)
    ):
        raise DatasetError(f"{wrong}: numbers are missing or out of range; export them again")
    return Features(tuple(map(float, dense)), tuple(buckets))


def _score(path: Path, line: int, row: Mapping[str, Any], column: str) -> float:
    if column in row and row[column] is None:
        return nan
    value = row.get(column)
    # True and false are numbers in Python, and mean right and wrong here. NaN fails the range.
    if not isinstance(value, int | float) or not 0 <= value <= 1:
        raise DatasetError(
            f"{path}:{line}: {column}: {value!r:.40} is no score: give true, false or a number"
            " from 0 to 1"
        )
    return float(value)
