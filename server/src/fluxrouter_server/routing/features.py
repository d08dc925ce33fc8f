"""What a prompt looks like, in numbers: the only thing about it that the choice of a tier sees.

One pass over a bounded part of the text, the same on every machine and in every process (crc32,
never Python's `hash`). Dense features have names, so that a decision can say why; hashed words and
pairs of words catch what is typical of one team's traffic and has no name.
"""

import re
from dataclasses import dataclass
from itertools import pairwise
from math import log, log1p
from zlib import crc32

from fluxrouter_server.routing.reading import read, words_of
from fluxrouter_server.routing.vocabulary import CUES, FIELDS

#: Raised whenever the same text yields other features; a model file states the version it needs.
FEATURE_VERSION = 1

#: Hashed words and pairs of words fall into this many buckets (a power of two).
BUCKETS = 1 << 15

_SHAPE_NAMES = (
    "text length",
    "length beyond what is read",
    "question length",
    "word count",
    "word length",
    "share of long words",
    "variety of words",
    "number count",
    "share of numbers",
    "longest number",
    "decimal count",
)
_MARK_NAMES = (
    "punctuation",
    "commands",
    "share of commands",
    "mathematical signs",
    "formulas",
    "equations",
    "percentages",
    "brackets",
    "powers",
    "operators",
    "question marks",
    "sentences",
    "commas",
    "colons",
    "quotations",
    "gap",
    "bar",
    "choice of all or none",
    "calls",
    "definitions",
    "code fence",
    "characters of other scripts",
    "accented letters",
)
_CHOICE_NAMES = (
    "choices",
    "length of choices",
    "spread of choices",
    "numbers in choices",
    "variety of choices",
    "choices repeat the question",
)

#: The names of the dense features, in the order of `Features.dense`.
DENSE_NAMES = (
    *_SHAPE_NAMES,
    *_MARK_NAMES,
    *_CHOICE_NAMES,
    *(f"cue: {name}" for name in CUES),
    *(f"field: {name}" for name in FIELDS),
)

# Choices of a multiple-choice question: " B. " or " b) " after spacing and case are evened out.
_CHOICE = re.compile(rb" (?=[a-j][.)] )")
_NUMBER = re.compile(rb"\d[\d,]*(?:\.\d+)?")
_DIGITS = b"0123456789"
_PLAIN = b" abcdefghijklmnopqrstuvwxyz" + _DIGITS
_LONG_WORD_BYTES = 9

# Hashing is bounded in words as well, of which a text of single letters has very many.
_HEAD_WORDS = 384
_TAIL_WORDS = 128

# Odd, so that pairs with the same second word never share a bucket; small, so that its products
# with a bucket fit one digit of a Python integer, which is measurably faster.
_PAIR_FACTOR = 12289


@dataclass(frozen=True, slots=True)
class Features:
    """The features of one text.

    `dense` has one number, 0 or more, for each name in `DENSE_NAMES`. `buckets` are the buckets,
    below `BUCKETS`, into which at least one word or pair of words falls: each once, in no order.
    """

    dense: tuple[float, ...]
    buckets: tuple[int, ...]


def extract(text: str) -> Features:
    """Return the features of a text of any length, language and content; never fails."""
    data, times_longer = read(text)
    words = words_of(data)
    parts = _CHOICE.split(data) if b" b. " in data or b" b) " in data else [data]
    return Features(
        dense=(
            *_shape(data, len(parts[0]), words, times_longer),
            *_marks(data, len(words)),
            *_choices(parts),
            *_counts(words),
        ),
        buckets=_buckets(words),
    )


def _shape(data: bytes, asked: int, words: list[bytes], times_longer: float) -> tuple[float, ...]:
    total = len(words)
    numbers = _NUMBER.findall(data)
    lengths = list(map(len, words))
    return (
        log1p(len(data) * times_longer),
        log(times_longer),
        log1p(asked * times_longer),
        log1p(total * times_longer),
        _share(sum(lengths), total),
        _share(sum([length >= _LONG_WORD_BYTES for length in lengths]), total),
        _share(len(set(words)), total),
        log1p(len(numbers)),
        _share(len(numbers), total),
        log1p(max(map(len, numbers), default=0)),
        log1p(sum([b"." in number for number in numbers])),
    )


def _marks(data: bytes, words: int) -> tuple[float, ...]:
    count, size = data.count, len(data)
    commands = count(b"\\")
    return (
        _share(len(data.translate(None, _PLAIN)), size),
        log1p(commands),
        _share(commands, words),
        # Arrows and mathematical operators begin with these bytes; the last is the sign ×.
        log1p(count(b"\xe2\x86") + count(b"\xe2\x88") + count(b"\xe2\x89") + count(b"\xc3\x97")),
        log1p(count(b"$")),
        log1p(count(b"=")),
        log1p(count(b"%")),
        log1p(count(b"(") + count(b"[") + count(b"{")),
        log1p(count(b"^") + count(b"_{") + count(b"\xc2\xb2") + count(b"\xc2\xb3")),
        log1p(count(b"+") + count(b"*") + count(b"/") + count(b"-")),
        log1p(count(b"?")),
        log1p(count(b". ")),
        log1p(count(b", ")),
        log1p(count(b";") + count(b":")),
        log1p(count(b'"') + count(b"'") + count(b"\xe2\x80\x9c")),
        float(b"__" in data),
        float(b"|" in data),
        float(b"of the above" in data),
        log1p(count(b"()") + count(b").") + count(b"](")),
        log1p(count(b"def ") + count(b"return ") + count(b"function ")),
        float(b"```" in data),
        # The first bytes of Chinese and Japanese, and of Latin's accents, Cyrillic and Greek.
        _share(sum(map(count, (b"\xe3", b"\xe4", b"\xe5", b"\xe6", b"\xe7"))), words),
        _share(sum(map(count, (b"\xc3", b"\xce", b"\xd0", b"\xd1"))), size),
    )


def _choices(parts: list[bytes]) -> tuple[float, ...]:
    """Describe the choices, which follow the question in `parts`; all 0 where there are none."""
    choices = parts[1:]
    if not choices:
        return (0.0,) * len(_CHOICE_NAMES)
    lengths = list(map(len, choices))
    joined = b" ".join(choices)
    words = joined.split()
    different = set(words)
    repeated = different.intersection(parts[0].split())
    return (
        log1p(len(choices)),
        log1p(sum(lengths) / len(lengths)),
        log1p(max(lengths) - min(lengths)),
        _share(len(joined) - len(joined.translate(None, _DIGITS)), len(joined)),
        _share(len(different), len(words)),
        _share(len(repeated), len(different)),
    )


def _lexicon() -> dict[bytes, tuple[int, ...]]:
    """Map each word to the places, among cues and then fields, that count it."""
    places: dict[bytes, tuple[int, ...]] = {}
    for place, words in enumerate((*CUES.values(), *FIELDS.values())):
        has_plurals = place >= len(CUES)
        for word in words.split():
            forms = (word, f"{word}s") if has_plurals and not word.endswith("s") else (word,)
            for form in forms:
                known = places.get(form.encode(), ())
                if place not in known:
                    places[form.encode()] = (*known, place)
    return places


_LEXICON = _lexicon()
_NO_COUNTS = (0,) * (len(CUES) + len(FIELDS))


def _counts(words: list[bytes]) -> list[float]:
    """Count the words of each cue and field."""
    counts = list(_NO_COUNTS)
    lexicon = _LEXICON
    for places in [lexicon[word] for word in words if word in lexicon]:
        for place in places:
            counts[place] += 1
    return [log1p(count) if count else 0.0 for count in counts]


def _buckets(words: list[bytes]) -> tuple[int, ...]:
    if len(words) > _HEAD_WORDS + _TAIL_WORDS:
        words = [*words[:_HEAD_WORDS], *words[-_TAIL_WORDS:]]
    mask = BUCKETS - 1
    hashes = [value & mask for value in map(crc32, words)]
    buckets = set(hashes)
    buckets.update([(first * _PAIR_FACTOR + second) & mask for first, second in pairwise(hashes)])
    return tuple(buckets)


def _share(part: int, whole: int) -> float:
    return part / (whole + 1.0)
