"""Changes to a prompt that leave its task alone, and how often a decision survives them."""

import re
from collections.abc import Callable, Hashable, Mapping, Sequence
from random import Random
from types import MappingProxyType

_TYPO_SHARE = 0.02
_SPACE = re.compile(r"\s")


def with_typos(text: str) -> str:
    """Return the text with 2% of its letters mistyped, always in the same way."""
    random = Random(text)  # noqa: S311 - variety, not secrecy
    out: list[str] = []
    for letter in text:
        if not letter.isalpha() or random.random() >= _TYPO_SHARE:
            out.append(letter)
            continue
        kind = random.randrange(4)
        if kind == 0 and out:
            out.insert(-1, letter)
        elif kind == 1:
            out.extend((letter, letter))
        elif kind == 2:  # noqa: PLR2004 - the third of four kinds: dropped
            continue
        else:
            out.append(random.choice("abcdefghijklmnopqrstuvwxyz"))
    return "".join(out)


#: What people's keyboards, clients and habits do to the same prompt.
PERTURBATIONS: Mapping[str, Callable[[str], str]] = MappingProxyType(
    {
        "lower case": str.lower,
        "whitespace": lambda text: "  " + _SPACE.sub("  ", text) + " \n",
        "2% typos": with_typos,
        "greeting": lambda text: f"Hello! I hope you are doing well. {text}",
        "step by step": lambda text: f"{text}\n\nLet's think step by step.",
    }
)


def unchanged_shares(decide: Callable[[str], Hashable], texts: Sequence[str]) -> dict[str, float]:
    """Return, for each perturbation, the share of texts whose decision stays the same."""
    before = [decide(text) for text in texts]
    return {
        name: sum(
            decide(perturb(text)) == decision for text, decision in zip(texts, before, strict=True)
        )
        / len(texts)
        for name, perturb in PERTURBATIONS.items()
    }
