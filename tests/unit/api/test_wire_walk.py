from hypothesis import given
from hypothesis import strategies as st

from fluxrouter.v1 import control_pb2, router_pb2
from fluxrouter_server.api.wire_walk import largest_field, read_message
from fluxrouter_server.domain.denials import Denial, Reason


def only_violation(answer: object) -> tuple[str, str]:
    """Field and description of a refusal with one violation."""
    assert isinstance(answer, Denial)
    assert answer.reason is Reason.INVALID_REQUEST
    (violation,) = answer.violations
    return violation.field, violation.description


def test_text_that_is_not_utf_8_is_named_with_its_position() -> None:
    data = router_pb2.RouteRequest(model="m", text="abXYcd").SerializeToString()
    answer = read_message(router_pb2.RouteRequest, data.replace(b"XY", b"\xff\xfe"))
    assert only_violation(answer) == ("text", "is not UTF-8 from byte 2 on")


def test_a_value_of_a_map_is_named_by_its_place() -> None:
    data = router_pb2.RouteRequest(labels={"team": "XY"}).SerializeToString()
    answer = read_message(router_pb2.RouteRequest, data.replace(b"XY", b"\xff\xfe"))
    assert only_violation(answer)[0] == "labels[0].value"


def test_a_field_deep_inside_is_named_by_its_whole_path() -> None:
    request = control_pb2.ApplyRequest()
    request.resources.add().plan.metadata.name = "good"
    request.resources.add().plan.metadata.name = "XY"
    data = request.SerializeToString().replace(b"XY", b"\xff\xfe")
    answer = read_message(control_pb2.ApplyRequest, data)
    assert only_violation(answer)[0] == "resources[1].plan.metadata.name"


def test_a_message_that_is_cut_off_says_how_much_is_missing() -> None:
    data = router_pb2.RouteRequest(text="abcdef").SerializeToString()
    answer = read_message(router_pb2.RouteRequest, data[:-2])
    assert only_violation(answer) == ("text", "is cut off: 2 bytes are missing")


def test_bytes_that_are_no_message_at_all_are_refused() -> None:
    answer = read_message(router_pb2.RouteRequest, b"\xff" * 20)
    assert only_violation(answer)[0] == "message"


def test_fields_of_a_newer_contract_are_no_error() -> None:
    data = router_pb2.RouteRequest(model="m").SerializeToString() + b"\xf8\x3f\x01"
    answer = read_message(router_pb2.RouteRequest, data)
    assert isinstance(answer, router_pb2.RouteRequest)
    assert answer.model == "m"


@given(st.binary(max_size=200))
def test_any_bytes_become_a_message_or_a_refusal_with_one_field(data: bytes) -> None:
    answer = read_message(control_pb2.ApplyRequest, data)
    if isinstance(answer, Denial):
        assert only_violation(answer)[0]


@given(st.binary(max_size=60), st.data())
def test_a_damaged_message_becomes_a_message_or_a_refusal(junk: bytes, data: st.DataObject) -> None:
    whole = router_pb2.RouteRequest(model="m", text="text", labels={"a": "b"}).SerializeToString()
    at = data.draw(st.integers(0, len(whole)))
    answer = read_message(router_pb2.RouteRequest, whole[:at] + junk + whole[at:])
    assert isinstance(answer, router_pb2.RouteRequest) or only_violation(answer)[0]


def test_the_largest_field_is_the_one_that_takes_most_bytes_in_all() -> None:
    request = router_pb2.RouteRequest(
        model="m" * 50, labels={f"label-{n}": "v" * 20 for n in range(10)}, text="t" * 100
    )
    assert largest_field(router_pb2.RouteRequest, request.SerializeToString()) == "labels"


def test_no_field_is_the_largest_of_bytes_that_are_no_message() -> None:
    assert largest_field(router_pb2.RouteRequest, b"\xff" * 100) == ""
