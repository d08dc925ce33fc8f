import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxrouter_server.dialects.json_body import MAX_DEPTH, parse_object, to_json
from fluxrouter_server.dialects.refusals import Refused

VALUES: st.SearchStrategy[Any] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(codec=None)),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=20,
)


@given(st.dictionaries(st.text(st.characters(codec=None)), VALUES, max_size=4))
def test_what_is_read_and_written_again_is_the_same(value: dict[str, Any]) -> None:
    assert parse_object(to_json(parse_object(json.dumps(value).encode()))) == value


@pytest.mark.parametrize(
    "data,told",
    [
        (b'{"a": 1, "a": 2}', "'a' stands twice"),
        (b'{"b": {"\\u0061": 1, "a": 2}}', "'a' stands twice"),
        (b'{"a": Infinity}', "Infinity is no number"),
        (b'{"a": -1e999}', "beyond all numbers"),
        (b"[1]", "must be a JSON object"),
        (b'{"a": "\xff"}', "not in UTF-8"),
        (b'{"a":' * 200_000, "nested deeper"),
        (b'{"a":' + b"[" * MAX_DEPTH + b"]" * MAX_DEPTH + b"}", "nested deeper"),
    ],
)
def test_what_two_parsers_may_read_differently_is_refused(data: bytes, told: str) -> None:
    with pytest.raises(Refused, match=told) as raised:
        parse_object(data)
    assert raised.value.refusal.status == 400


def test_the_deepest_that_is_taken() -> None:
    levels = MAX_DEPTH - 1
    assert parse_object(b'{"a":' + b"[" * levels + b"]" * levels + b"}")


def test_brackets_in_a_text_are_no_depth() -> None:
    assert parse_object(json.dumps({"a": "[{" * 1000}).encode()) == {"a": "[{" * 1000}


@given(st.binary(max_size=64))
def test_any_bytes_are_an_object_or_refused(data: bytes) -> None:
    with suppress(Refused):
        assert isinstance(parse_object(data), dict)
