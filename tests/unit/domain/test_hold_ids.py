from collections.abc import Callable

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxrouter_server.domain.hold_ids import (
    MAX_ATTEMPT,
    HoldRef,
    format_hold_id,
    parse_hold_id,
    request_key,
)
from fluxrouter_server.domain.ids import AccountUid, RequestId

UID = AccountUid("abcdefghijklmn27")
REF = HoldRef(255, 3, 1_764_000_000_123, UID, request_key(UID, RequestId("r-1")), 1)
REFS = st.builds(
    HoldRef,
    shard=st.integers(0, 255),
    epoch=st.integers(0, 10**15 - 1),
    admitted_ms=st.integers(0, 2**50),
    uid=st.text("abcdefghijklmnopqrstuvwxyz234567", min_size=16, max_size=16).map(AccountUid),
    request_key=st.text().map(lambda text: request_key(UID, RequestId(text))),
    attempt=st.integers(1, MAX_ATTEMPT),
)


@given(REFS)
def test_a_hold_id_survives_writing_and_reading(ref: HoldRef) -> None:
    assert parse_hold_id(format_hold_id(ref)) == ref


def test_a_hold_id_is_short_enough_for_a_header() -> None:
    assert len(format_hold_id(REF)) < 80


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text[:0],
        lambda text: text + "0" * 20,
        lambda text: text + "\n",
        lambda text: " " + text,
        lambda text: text.upper(),
        lambda text: text.replace("h1.", "h2."),
        lambda text: text.replace("h1.255", "h1.0255"),
        lambda text: text.replace("h1.255", "h1.-1"),
        lambda text: text.replace(".3.", ".03."),
        lambda text: text.replace(".3.", ".٣."),
        lambda text: text.replace(UID, UID[:-1]),
        lambda text: text.replace(UID, UID[:-1] + "1"),
        lambda text: text.rsplit(".", 1)[0],
        lambda text: text.rsplit(".", 1)[0] + ".0",
        lambda text: text.rsplit(".", 1)[0] + f".{MAX_ATTEMPT + 1}",
        lambda text: text.replace(".", "-"),
        lambda text: text * 1_000_000,
    ],
)
def test_what_is_no_hold_id_is_told_apart(change: Callable[[str], str]) -> None:
    assert parse_hold_id(change(format_hold_id(REF))) is None


@given(st.text(), st.text())
def test_a_request_key_stands_for_one_request_of_one_account(first: str, second: str) -> None:
    keys = {request_key(UID, RequestId(text)) for text in (first, second)}
    assert len(keys) == len({first, second})
    assert request_key(AccountUid("a" * 16), RequestId(first)) not in keys
    assert all(len(key) == 16 for key in keys)
