"""Which text of a conversation is judged: what the person last asked for.

The last user message decides. A short one ("yes, go on", "and in Rust?") says little by itself, so
the user messages before it are read in front of it, as many as are needed. System prompts, answers
and tool results are not read: they are the same or long for every request of an application, and
would drown what this request is about.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

#: A last message of fewer words is read together with those before it.
FEWEST_WORDS = 8

# Bounds the work; older messages say little about the request at hand.
_MOST_EARLIER_MESSAGES = 4


@dataclass(frozen=True, slots=True)
class Turn:
    """One message; `text` is its text parts joined, empty for an image alone."""

    role: Literal["system", "developer", "user", "assistant", "tool"]
    text: str


def text_to_judge(turns: Sequence[Turn]) -> str:
    """Return the text that decides the tier; empty where no user message has text."""
    asked = [turn.text for turn in turns if turn.role == "user" and turn.text.strip()]
    if not asked:
        return ""
    text = asked[-1]
    for earlier in reversed(asked[:-1][-_MOST_EARLIER_MESSAGES:]):
        # `maxsplit` keeps a huge message from being split up.
        if len(text.split(maxsplit=FEWEST_WORDS)) >= FEWEST_WORDS:
            break
        text = f"{earlier}\n\n{text}"
    return text
