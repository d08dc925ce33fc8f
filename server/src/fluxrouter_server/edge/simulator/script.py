"""What the simulator answers: a text that says what it is, unless the prompt directs it otherwise.

Directions stand in the prompt, as in `[[simulate tokens=20 status=503 for=gpt-mini]]`, so that they
pass through the edge like anything else.
"""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

__all__ = ["CHARACTERS_PER_TOKEN", "Script", "read_script", "tokens_of"]

CHARACTERS_PER_TOKEN: Final = 4

_DIRECTIONS: Final = re.compile(r"\[\[simulate ([^\]]*)\]\]")
#: What `for=MODEL` does to that model alone.
_FAULTS: Final = frozenset({"status", "fault", "cut", "stall", "delay"})
_MAX_QUOTED_CHARACTERS: Final = 200
_MAX_TOKENS: Final = 100_000
_TEXT: Final = (
    "This is FluxRouter's upstream simulator speaking, because no provider is configured. "
    "You asked: "
)


@dataclass(frozen=True, slots=True)
class Script:
    """How one request is answered.

    Attributes:
        pieces: The answer, a token each.
        is_cut_short: Whether the caller's limit ended it.
        input_tokens: Tokens of the request.
        status: HTTP's; not 200 is an error.
        cached: Of the input tokens, those that are told to come from a cache.
        reasoning: Of the output tokens, those that are told to be reasoning.
        tells_usage: Whether it says what it used.
        delay_seconds: Before the first byte.
        gap_seconds: Between two events.
        count: Name under which its tokens are counted, too; empty for none.
        cut_after: Events after which the connection breaks; None never.
        stall_after: Events after which nothing comes any more; None never.
        fault: `error` answers 200 with an error, `garbage` with no JSON, `reset` not at all,
            `late-error` breaks off with an event that says so, `malformed` sends events that are
            none between the others; empty for none.
    """

    pieces: tuple[str, ...]
    is_cut_short: bool
    input_tokens: int
    status: int = 200
    cached: int = 0
    reasoning: int = 0
    tells_usage: bool = True
    delay_seconds: float = 0.0
    gap_seconds: float = 0.0
    count: str = ""
    cut_after: int | None = None
    stall_after: int | None = None
    fault: str = ""


def read_script(body: Mapping[str, Any], most_tokens: int) -> Script:
    """Return how a request is answered; `most_tokens` is its limit of output."""
    texts = list(_texts(body.get("messages") or body.get("input") or ""))
    prompt = texts[-1] if texts else ""
    found = _DIRECTIONS.search(prompt)
    asked = dict(word.partition("=")[::2] for word in found[1].split()) if found else {}
    if asked.get("for", body.get("model")) != body.get("model"):
        asked = {name: text for name, text in asked.items() if name not in _FAULTS}
    pieces = _pieces(prompt, int(asked["tokens"]) if "tokens" in asked else None)
    return Script(
        pieces=pieces[:most_tokens],
        is_cut_short=len(pieces) > most_tokens,
        input_tokens=tokens_of("".join(texts)),
        status=int(asked.get("status", 200)),
        cached=int(asked.get("cached", 0)),
        reasoning=int(asked.get("reasoning", 0)),
        tells_usage=asked.get("usage") != "none",
        delay_seconds=float(asked.get("delay", 0)),
        gap_seconds=float(asked.get("gap", 0)),
        count=asked.get("count", ""),
        cut_after=int(asked["cut"]) if "cut" in asked else None,
        stall_after=int(asked["stall"]) if "stall" in asked else None,
        fault=asked.get("fault", ""),
    )


def tokens_of(text: str) -> int:
    """Return how many tokens the simulator takes a text for."""
    return -(-len(text) // CHARACTERS_PER_TOKEN)


def _pieces(prompt: str, tokens: int | None) -> tuple[str, ...]:
    quoted = _DIRECTIONS.sub("", prompt).strip()[:_MAX_QUOTED_CHARACTERS]
    text = _TEXT + quoted.encode("ascii", "replace").decode("ascii")
    if tokens is not None:
        length = min(tokens, _MAX_TOKENS) * CHARACTERS_PER_TOKEN
        text = (text * (length // len(text) + 1))[:length]
    step = CHARACTERS_PER_TOKEN
    return tuple(text[at : at + step] for at in range(0, len(text), step))


def _texts(content: object) -> Iterator[str]:
    """Yield all texts of a request's messages, in order."""
    if isinstance(content, str):
        yield content
    elif isinstance(content, list):
        for item in content:
            yield from _texts(item)
    elif isinstance(content, Mapping):
        yield from _texts(content.get("content") or content.get("text") or "")
