"""Reads labelled prompts: JSON Lines with a prompt and, for each tier, how good its answer was."""

import gzip
import json
import zlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from fluxrouter_server.domain.catalog import Tier

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


class DatasetError(ValueError):
    """Labels that cannot be used; the message names file, line, field, problem and remedy."""


class NoGapError(DatasetError):
    """The dearest tier is not better than the cheapest on these labels: nothing to route for."""


@dataclass(frozen=True, slots=True)
class Dataset:
    """Prompts and their scores.

    `scores` has a row for each prompt and in it a number from 0 (useless) to 1 (right) for each of
    `tiers`, which are in the order of `Tier`.
    """

    tiers: tuple[Tier, ...]
    prompts: tuple[str, ...]
    scores: tuple[tuple[float, ...], ...]

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
        )


def require_gap(dataset: Dataset) -> None:
    """Check that the dearest tier is better than the cheapest.

    Raises:
        NoGapError: if it is not, so that no order of prompts could be better than another.
    """
    if sum(row[-1] - row[0] for row in dataset.scores) <= 0:
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
    for line, row in rows:
        prompt = row.get("prompt")
        if not isinstance(prompt, str):
            raise DatasetError(f"{path}:{line}: prompt: missing or no text: give the prompt's text")
        prompts.append(prompt)
        scores.append(tuple(_score(path, line, row, by_tier[tier]) for tier in tiers))
    return Dataset(tiers, tuple(prompts), tuple(scores))


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


def _score(path: Path, line: int, row: Mapping[str, Any], column: str) -> float:
    value = row.get(column)
    # True and false are numbers in Python, and mean right and wrong here. NaN fails the range.
    if not isinstance(value, int | float) or not 0 <= value <= 1:
        raise DatasetError(
            f"{path}:{line}: {column}: {value!r:.40} is no score: give true, false or a number"
            " from 0 to 1"
        )
    return float(value)
