import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxrouter_server.dialects import event_stream
from fluxrouter_server.dialects.event_stream import EventSplitter, EventTooLong

ENDS = st.sampled_from([b"\n", b"\r\n"])
EVENTS = st.lists(st.binary(max_size=12).filter(lambda b: not set(b) & set(b"\r\n")), max_size=6)


@given(EVENTS, ENDS, st.data())
def test_events_are_found_however_their_bytes_arrive_and_lose_none(
    datas: list[bytes], end: bytes, data: st.DataObject
) -> None:
    whole = b"".join(b"event: x" + end + b"data: " + one + end + end for one in datas)
    splitter, found, at = EventSplitter(), [], 0
    while at < len(whole):
        size = data.draw(st.integers(1, len(whole) - at))
        found += splitter.feed(whole[at : at + size])
        at += size
    found += splitter.rest()
    assert b"".join(event.raw for event in found) == whole
    assert [event.data for event in found] == datas
    assert {event.name for event in found} <= {"x"}


def test_lines_of_data_are_joined() -> None:
    (event,) = EventSplitter().feed(b"data: a\ndata:b\n: comment\n\n")
    assert event.data == b"a\nb"


def test_an_event_that_the_end_cut_off_is_put_right() -> None:
    splitter = EventSplitter()
    assert splitter.feed(b"data: [DONE]\n") == []
    (event,) = splitter.rest()
    assert event.data == b"[DONE]"
    assert event.raw.endswith(b"\n\n")
    assert splitter.rest() == []


def test_what_never_ends_is_no_stream_of_events(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(event_stream, "MAX_EVENT_BYTES", 100)
    splitter = EventSplitter()
    with pytest.raises(EventTooLong):
        splitter.feed(b"<html>" * 20)


@pytest.mark.parametrize("data", [b"[DONE]", b"{", b"[1]", b"", b'{"a":' * 100_000])
def test_data_that_is_no_object_is_none(data: bytes) -> None:
    (event,) = EventSplitter().feed(b"data: " + data + b"\n\n")
    assert event.json() is None
