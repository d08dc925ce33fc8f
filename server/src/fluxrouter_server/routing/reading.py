"""Reads a prompt into evenly spaced bytes in lower case, and those into words.

How a text is typed must not decide where it goes: letters' case and the amount of whitespace make
no difference, and courtesies at either end ("Hello!", "Let's think step by step.") are read past.
Only a bounded part is read, which bounds the time of a decision whatever is sent.
"""

import re

# What is read of a longer text: instructions stand at the beginning or at the end.
_HEAD_CHARACTERS = 1536
_TAIL_CHARACTERS = 512

# A courtesy longer than this is read as text.
_ENDING_BYTES = 160

_GREETING = re.compile(
    rb"(?:(?:hi|hello|hey|greetings|dear|good (?:morning|afternoon|evening|day))\b"
    rb"[^.!?,:]{0,24}[.!?,:]+ ?"
    rb"|(?:i )?hope (?:you|this)\b[^.!?]{0,60}[.!?]+ ?"
    rb"|(?:thanks|thank you) in advance[.!,]* ?"
    rb"|(?:please|(?:can|could|would) you(?: please)?) help(?: me)?(?: out)?"
    rb"(?: with (?:this|the following)(?: question| problem| task)?)?[.!?:]+ ?)+"
)
_ENCOURAGEMENT = re.compile(
    rb"(?: ?(?:(?:let'?s|let\xe2\x80\x99s|let us|please|now|carefully|to|work|think|reason|go"
    rb"|solve)\b,? ?){1,4}(?:(?:about|through)? ?(?:this|it) ?(?:through|out)? )?"
    rb"(?:carefully )?step[ -]by[ -]step\b[^.!?:]{0,60}[.!?:]*"
    rb"| ?(?:thanks|thank you|cheers)(?: very much| so much| a lot| in advance)?[.! ]*)+$"
)

# Every digit counts as 0, so that numbers are known by their shape.
_ONE_DIGIT = bytes.maketrans(b"123456789", b"000000000")
_RUN = re.compile(rb"[a-z\x80-\xff]+|0+")
# Looks again at runs that are not ASCII. Scripts led by bytes from 0xC3 to 0xDF (Latin, Greek,
# Cyrillic, Hebrew, Arabic) write words; of the others each character stands for itself, and pairs
# of them for words. 0xE2 leads punctuation and mathematical signs, which are no words.
_WORD = re.compile(rb"(?:[a-z]|[\xc3-\xdf][\x80-\xbf])+|[\xe0\xe1\xe3-\xef][\x80-\xbf]{2}")


def read(text: str) -> tuple[bytes, float]:
    """Return the part of a text that is read, and how many times longer the whole text is.

    The bytes are UTF-8 in lower case with single spaces; half a surrogate pair becomes `?`.
    """
    times_longer = 1.0
    if len(text) > _HEAD_CHARACTERS + _TAIL_CHARACTERS:
        times_longer = len(text) / (_HEAD_CHARACTERS + _TAIL_CHARACTERS)
        text = f"{text[:_HEAD_CHARACTERS]} {text[-_TAIL_CHARACTERS:]}"
    data = " ".join(text.lower().split()).encode("utf-8", "replace")
    greeting = _GREETING.match(data)
    if greeting:
        data = data[greeting.end() :]
    ending = data[-_ENDING_BYTES:]
    # Searching costs more than all the rest of this function, so it is done where it may find.
    if b"step" in ending or b"thank" in ending or b"cheers" in ending:
        courtesy = _ENCOURAGEMENT.search(data, max(0, len(data) - _ENDING_BYTES))
        data = data[: courtesy.start()] if courtesy else data
    return data, times_longer


def words_of(data: bytes) -> list[bytes]:
    """Return the words of what `read` returned, numbers among them by their shape (`000`)."""
    runs: list[bytes] = _RUN.findall(data.translate(_ONE_DIGIT))
    if data.isascii():
        return runs
    return [word for run in runs for word in ((run,) if run.isascii() else _WORD.findall(run))]
