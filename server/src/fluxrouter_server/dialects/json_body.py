"""Reads JSON that anybody may have written: bounded, strict, and the same for us and the upstream.

Two parsers that read one text differently are how limits are passed by, so what is ambiguous is
refused: a field that stands twice, NaN, numbers beyond all bounds.
"""

import json
from collections import Counter
from collections.abc import Sequence
from math import isfinite
from typing import Any, Final

from fluxrouter_server.dialects.refusals import bad_request

__all__ = ["MAX_DEPTH", "parse_object", "to_json"]

#: Deeper than any schema that people write, and far from where parsers give up.
MAX_DEPTH: Final = 64


def parse_object(data: bytes) -> dict[str, Any]:
    """Return the JSON object in a body.

    Raises:
        Refused: it is none, or one that two parsers may read differently.
    """
    try:
        value = _DECODER.decode(data.decode("utf-8"))
    except (ValueError, RecursionError) as error:
        raise bad_request(f"the body is no JSON that can be read: {_reason(error)}") from None
    if not isinstance(value, dict):
        raise bad_request('the body must be a JSON object, such as {"model": "flux-auto"}')
    # Brackets inside of texts count, too: most bodies have few enough to skip the walk.
    if data.count(b"{") + data.count(b"[") > MAX_DEPTH and _depth(value) > MAX_DEPTH:
        raise bad_request(f"the body is nested deeper than {MAX_DEPTH} levels; flatten it")
    return value


def to_json(value: object) -> bytes:
    """Return a value as compact JSON in UTF-8."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    try:
        return text.encode("utf-8")
    except UnicodeEncodeError:  # half a surrogate pair, which JSON can only write escaped
        return json.dumps(value, separators=(",", ":"), allow_nan=False).encode("ascii")


def _unique(pairs: Sequence[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) != len(pairs):
        twice = next(name for name, times in Counter(n for n, _ in pairs).items() if times > 1)
        raise ValueError(f"the field {twice[:64]!a} stands twice; remove one")
    return found


def _finite(text: str) -> float:
    value = float(text)
    if not isfinite(value):
        raise ValueError(f"{text[:64]} is beyond all numbers; use a smaller one")
    return value


def _no_constant(name: str) -> object:
    raise ValueError(f"{name} is no number of JSON's")


def _reason(error: Exception) -> str:
    if isinstance(error, RecursionError):
        return f"it is nested deeper than {MAX_DEPTH} levels"
    if isinstance(error, UnicodeDecodeError):
        return "it is not in UTF-8"
    return str(error)[:200]


def _depth(value: object) -> int:
    """How deep a value is nested, without recursion; stops soon after the bound."""
    level: list[object] = [value]
    depth = 0
    while level and depth <= MAX_DEPTH:
        depth += 1
        level = [
            child
            for item in level
            if isinstance(item, dict | list)
            for child in (item.values() if isinstance(item, dict) else item)
            if isinstance(child, dict | list)
        ]
    return depth


#: Made once: making one takes longer than reading a usual body with it.
_DECODER: Final = json.JSONDecoder(
    object_pairs_hook=_unique, parse_float=_finite, parse_constant=_no_constant
)
