"""Labelled prompts whose difficulty is known, so that training has something true to find."""

import json
from pathlib import Path
from random import Random

_EASY = [
    "apple",
    "river",
    "garden",
    "window",
    "bread",
    "music",
    "yellow",
    "morning",
    "table",
    "friend",
]
_HARD = [
    "theorem",
    "lemma",
    "manifold",
    "cohomology",
    "eigenvalue",
    "tensor",
    "conjecture",
    "spinor",
    "sheaf",
    "functor",
]


def labelled_rows(
    count: int,
    *,
    learnable: bool = True,
    columns: tuple[str, ...] = ("weak", "strong"),
    seed: int = 0,
) -> list[dict[str, object]]:
    """Return prompts of random length, with a score for each column.

    Where `learnable`, half of the prompts hold hard words. The first column is mostly right on the
    others and mostly wrong on these; each later one is better on the hard ones. Otherwise the first
    is right on half of the prompts by chance.
    """
    random = Random(seed)
    rows: list[dict[str, object]] = []
    for number in range(count):
        hard = number % 2 == 0
        words = random.choices(_HARD if hard else _EASY, k=random.randint(5, 15))
        prompt = f"{number}: tell me about {' '.join(words)}"
        row: dict[str, object] = {"prompt": prompt}
        for place, column in enumerate(columns):
            ability = place / (len(columns) - 1)
            chance = (0.1 + 0.8 * ability if hard else 0.9) if learnable else 0.5 + 0.4 * ability
            row[column] = random.random() < chance
        rows.append(row)
    random.shuffle(rows)
    return rows


def write_rows(path: Path, rows: list[dict[str, object]]) -> Path:
    """Write rows as JSON Lines and return the path."""
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path
