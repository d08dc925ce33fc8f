from dataclasses import fields, replace
from hashlib import blake2b
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxrouter_server.domain.catalog import Capability, Protocol, Tier
from fluxrouter_server.domain.ids import AccountUid, KeyName, ModelId, RequestId
from fluxrouter_server.domain.requests import RouteQuery, digest

UID = AccountUid("a" * 16)
QUERY = RouteQuery(model="flux-auto", request_id=RequestId("r-1"))
TEXT = st.text(st.characters(codec=None), max_size=8) | st.sampled_from(["", "~", "1:a,", "0:,"])
COUNT = st.none() | st.integers(0, 12)
QUERIES = st.builds(
    RouteQuery,
    model=TEXT,
    request_id=TEXT.map(RequestId),
    attempt=st.just(1),
    input_tokens=COUNT,
    text=TEXT,
    images=st.integers(0, 12),
    max_output_tokens=COUNT,
    choices=st.integers(1, 12),
    capabilities=st.frozensets(st.sampled_from(Capability)),
    protocol=st.none() | st.sampled_from(Protocol),
    labels=st.dictionaries(TEXT, TEXT, max_size=2),
    tier=st.none() | st.sampled_from(Tier),
    size_bytes=COUNT,
    fingerprint=TEXT,
)
# For each field a value that differs from QUERY's.
CHANGES: dict[str, Any] = {
    "model": "flux-fast",
    "request_id": "r-2",
    "input_tokens": 0,
    "text": "~",
    "images": 1,
    "max_output_tokens": 1,
    "choices": 2,
    "capabilities": frozenset({Capability.TOOLS}),
    "protocol": Protocol.MESSAGES,
    "labels": {"": ""},
    "tier": Tier.FAST,
    "size_bytes": 0,
    "fingerprint": "~",
}


def with_(**changes: Any) -> RouteQuery:  # noqa: ANN401 - a value of any field
    return replace(QUERY, **changes)


def test_every_field_that_is_not_of_one_attempt_is_part_of_a_request() -> None:
    assert {field.name for field in fields(RouteQuery)} - {"attempt", "avoid"} == set(CHANGES)


@pytest.mark.parametrize("field", CHANGES)
def test_a_change_of_any_field_is_another_request(field: str) -> None:
    assert digest(with_(**{field: CHANGES[field]}), UID, None) != digest(QUERY, UID, None)


@given(QUERIES, QUERIES)
def test_two_requests_have_one_digest_only_where_they_are_equal(
    first: RouteQuery, second: RouteQuery
) -> None:
    assert (digest(first, UID, None) == digest(second, UID, None)) == (first == second)


@given(QUERIES, st.data())
def test_moving_text_between_neighbouring_fields_is_another_request(
    query: RouteQuery, data: st.DataObject
) -> None:
    joined = query.request_id + query.model
    cut = data.draw(st.integers(0, len(joined)))
    moved = replace(query, request_id=RequestId(joined[:cut]), model=joined[cut:])
    assert (digest(moved, UID, None) == digest(query, UID, None)) == (moved == query)


def test_account_and_key_are_part_of_a_request() -> None:
    digests = {
        digest(QUERY, UID, None),
        digest(QUERY, UID, KeyName("")),
        digest(QUERY, UID, KeyName("ci")),
        digest(QUERY, AccountUid("b" * 16), None),
    }
    assert len(digests) == 4
    assert {len(one) for one in digests} == {16}


def test_another_attempt_is_the_same_request() -> None:
    again = with_(attempt=2, avoid=frozenset({ModelId("m")}))
    assert digest(again, UID, None) == digest(QUERY, UID, None)


def test_the_order_of_labels_and_capabilities_does_not_matter() -> None:
    labels = {"a": "1", "b": "2"}
    assert digest(with_(labels=labels), UID, None) == digest(
        with_(labels=dict(reversed(labels.items()))), UID, None
    )


def test_the_digest_of_a_request_never_changes_between_versions() -> None:
    """Replicas of two versions share the store while one replaces the other."""
    encoding = (
        b"('aaaaaaaaaaaaaaaa', 'ci', 'r-1', 'flux-auto', None, '', 0, None, 1, [], None, [], None, "
        b"None, '')"
    )
    assert digest(QUERY, UID, KeyName("ci")) == (
        blake2b(encoding, digest_size=16, person=b"fluxrouter-req-2").digest()
    )


def test_half_a_surrogate_pair_in_a_text_is_text_like_any_other() -> None:
    assert digest(with_(text="\ud800"), UID, None) != digest(QUERY, UID, None)


def test_a_sound_request_is_accepted() -> None:
    assert with_(text="ü" * 10**6, input_tokens=0, labels={"team": "search"}).validate() == ()
    assert with_(request_id="").validate() == ()


@pytest.mark.parametrize(
    "field,value",
    [
        ("model", ""),
        ("model", "x" * 257),
        ("request_id", "x" * 129),
        ("request_id", "ü"),
        ("request_id", "a\nb"),
        ("attempt", 0),
        ("attempt", 2**31),
        ("input_tokens", -1),
        ("input_tokens", 100_000_001),
        ("images", -1),
        ("images", 10_001),
        ("size_bytes", -1),
        ("max_output_tokens", 0),
        ("max_output_tokens", -5),
        ("max_output_tokens", 100_000_001),
        ("choices", 0),
        ("choices", 129),
        ("labels", {str(n): "" for n in range(17)}),
        ("labels", {"": "x"}),
        ("labels", {"x" * 64: "x"}),
        ("labels", {"a\x00": "x"}),
    ],
)
def test_a_wrong_field_is_refused_by_name(field: str, value: object) -> None:
    (violation,) = with_(**{field: value}).validate()
    assert violation.field == field
    assert "use " in violation.description or "give " in violation.description


def test_a_long_value_of_a_label_is_refused_by_the_labels_name() -> None:
    (violation,) = with_(labels={"team": "x" * 129}).validate()
    assert violation.field == "labels['team']"


def test_all_choices_together_stay_within_what_can_be_priced() -> None:
    (violation,) = with_(max_output_tokens=1_000_000, choices=128).validate()
    assert violation.field == "max_output_tokens"


def test_the_text_of_a_request_is_never_shown() -> None:
    assert "hunter2" not in repr(with_(text="hunter2"))
