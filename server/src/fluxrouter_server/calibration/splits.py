"""Splits rows by a hash of the prompt, so that the same prompt always falls on the same side.

Nothing is drawn: who repeats a measurement, in any order and with rows added, gets the same split.
"""

from collections.abc import Sequence
from hashlib import blake2b

#: Folds of a cross-validation. With ten, a model sees nine tenths of few labels.
FOLDS = 10

_HASH_BYTES = 8


def hash_of(prompt: str, salt: str = "") -> int:
    """Return a number below 2^64 that depends on the prompt and the salt alone."""
    data = f"{salt}\n{prompt}".encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(data, digest_size=_HASH_BYTES).digest(), "big")


def fold_of(prompt: str, folds: int = FOLDS) -> int:
    """Return the fold of a prompt, from 0 to below `folds`."""
    return hash_of(prompt, "fold") % folds


def training_places(
    prompts: Sequence[str], held_out: int, folds: int = FOLDS, most: int | None = None
) -> list[int]:
    """Return the places of the rows that may train a model which is judged on one fold.

    At most `most` of them, those with the lowest hash, so that more rows never change which of the
    earlier ones train by anything but their hash.
    """
    places = [place for place, prompt in enumerate(prompts) if fold_of(prompt, folds) != held_out]
    places.sort(key=lambda place: hash_of(prompts[place], "train"))
    return places[:most]
