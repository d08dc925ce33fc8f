"""Says in words which features of a prompt spoke for the tier that was chosen.

A feature speaks for the chosen tier against another as far as it moves the difference of their
log-odds: weight difference × deviation. The strongest are named; what has no name in plain words
(hashed wording) is named as such, so that a reason is never invented.
"""

from collections.abc import Mapping
from types import MappingProxyType

from fluxrouter_server.domain.catalog import Tier
from fluxrouter_server.routing.features import DENSE_NAMES
from fluxrouter_server.routing.tier_model import Judgement, TierModel

#: Most reasons that a decision names.
MOST_REASONS = 3

# In log-odds. Below, a feature did not matter; naming it would be noise.
_LEAST = 0.03

_WORDING = "wording like that of its kind in the training data"

# What a feature above and below the average means to a reader; an empty text is never said.
_PHRASES: Mapping[str, tuple[str, str]] = MappingProxyType(
    {
        "text length": ("long text", "short text"),
        "length beyond what is read": ("a document", ""),
        "question length": ("long question", "short question"),
        "word count": ("many words", "few words"),
        "word length": ("long words", "short words"),
        "share of long words": ("technical words", "plain words"),
        "variety of words": ("varied words", "repetitive words"),
        "number count": ("many numbers", "few numbers"),
        "share of numbers": ("dense with numbers", "few numbers"),
        "longest number": ("large numbers", "small numbers"),
        "decimal count": ("decimal numbers", ""),
        "punctuation": ("much punctuation", "little punctuation"),
        "commands": ("mathematical notation", ""),
        "share of commands": ("mathematical notation", ""),
        "mathematical signs": ("mathematical signs", ""),
        "formulas": ("formulas or amounts of money", ""),
        "equations": ("equations or assignments", ""),
        "percentages": ("percentages", ""),
        "brackets": ("brackets", "no brackets"),
        "powers": ("powers and indices", ""),
        "operators": ("arithmetic signs", ""),
        "question marks": ("asks a question", "asks no direct question"),
        "sentences": ("many sentences", "few sentences"),
        "commas": ("many clauses", "few clauses"),
        "colons": ("lists or definitions", ""),
        "quotations": ("quotations", ""),
        "gap": ("a gap to fill", ""),
        "bar": ("statements side by side", ""),
        "choice of all or none": ("a choice of all or none", ""),
        "calls": ("function calls", ""),
        "definitions": ("defines functions", ""),
        "code fence": ("a block of code", ""),
        "characters of other scripts": ("text in another script", ""),
        "accented letters": ("text in another language", ""),
        "choices": ("multiple choice", "no multiple choice"),
        "length of choices": ("long choices", "short choices"),
        "spread of choices": ("choices of different length", "choices of like length"),
        "numbers in choices": ("choices are numbers", "choices are words"),
        "variety of choices": ("choices differ much", "choices differ little"),
        "choices repeat the question": ("choices repeat the question", ""),
        "cue: negation": ("negations", ""),
        "cue: interrogative": ("asks what, which or how", ""),
        "cue: quantifier": ("conditions and quantifiers", ""),
        "cue: superlative": ("asks for the best or most likely", ""),
        "cue: step": ("several steps", "few steps"),
        "cue: pronoun": ("about persons", ""),
        "cue: enumerator": ("numbered statements", ""),
        "cue: loop": ("loops", ""),
        "cue: branch": ("branches", ""),
        "cue: function_word": ("prose", "little prose"),
        "cue: reference": ("refers to a text or statements", ""),
        "field: programming": ("code", ""),
        "field: writing": ("asks for writing", ""),
        "field: extraction": ("asks for extraction or a format", ""),
        "field: conversation": ("conversation", ""),
        "field: proof": ("asks to find or to prove", ""),
        "field: planning and analysis": ("asks for a plan or an analysis", ""),
    }
)


def reasons_for(
    model: TierModel, judgement: Judgement, chosen: Tier, other: Tier
) -> tuple[str, ...]:
    """Return what spoke for `chosen` against `other`, strongest first; perhaps nothing."""
    for_, against = (model.tiers.index(tier) for tier in (chosen, other))
    dense, rival = model.weights[for_].dense, model.weights[against].dense
    spoken: list[tuple[float, str]] = [
        (judgement.wordings[for_] - judgement.wordings[against], _WORDING)
    ]
    for place, deviation in enumerate(judgement.deviations):
        weight = (dense[place] - rival[place]) * deviation
        if weight > _LEAST:
            spoken.append((weight, _phrase(DENSE_NAMES[place], above=deviation > 0)))
    spoken.sort(key=lambda item: (-item[0], item[1]))
    said = dict.fromkeys(phrase for weight, phrase in spoken if phrase and weight > _LEAST)
    return tuple(said)[:MOST_REASONS]


def _phrase(name: str, *, above: bool) -> str:
    high, low = _PHRASES.get(name, ("", ""))
    if name.startswith("field: ") and not high:
        high = f"vocabulary of {name.removeprefix('field: ')}"
    return high if above else low
