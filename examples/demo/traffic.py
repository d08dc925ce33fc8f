"""Realistic requests, the same in every run: what people ask, and how much comes back."""

import random
from collections.abc import Iterator
from dataclasses import dataclass

_QUESTIONS = (
    "Rewrite this note to my landlord so that it is friendly but firm: {filler}",
    "Summarise the following meeting notes in five bullet points: {filler}",
    "Write a Python function that merges overlapping intervals, with tests. Context: {filler}",
    "Prove that the sum of the first n odd numbers is n squared, step by step. {filler}",
    "Translate into German and keep the tone: {filler}",
    "Extract name, date and amount from this invoice as JSON: {filler}",
)
_FILLER = (
    "The tenants met on Tuesday and agreed that the heating has to be repaired before winter."
    " Nobody could say who has the second key, and the caretaker promised to look into it. "
)


@dataclass(frozen=True)
class Ask:
    """One request and what its answer will have used.

    Attributes:
        text: the prompt.
        max_output_tokens: the caller's wish.
        input_tokens: what the provider will count, below the upper bound that is held.
        output_share: share of the granted output that the answer uses, from 0 to 1.
    """

    text: str
    max_output_tokens: int
    input_tokens: int
    output_share: float


def requests(seed: int) -> Iterator[Ask]:
    """Yields requests without end: mostly short chats, now and then a long document."""
    chance = random.Random(seed)  # noqa: S311 - a repeatable story, not a secret
    while True:
        repeats = chance.choice((1, 2, 4, 8, 24))
        text = chance.choice(_QUESTIONS).format(filler=_FILLER * repeats)
        yield Ask(
            text=text,
            max_output_tokens=chance.choice((200, 400, 800, 1500)),
            input_tokens=max(1, len(text) // 4),
            output_share=chance.uniform(0.3, 1.0),
        )


def small_request() -> Ask:
    """Returns the smallest thing one would ask, to use up the last cent."""
    return Ask(text="Thanks!", max_output_tokens=400, input_tokens=3, output_share=1.0)
