import pytest

from fluxrouter_server.services.least_recent import LeastRecent


def test_the_entry_that_was_not_asked_for_the_longest_goes_first() -> None:
    gone: list[str] = []
    entries: LeastRecent[str, int] = LeastRecent(2, on_evict=lambda key, _: gone.append(key))
    entries.put("a", 1)
    entries.put("b", 2)
    entries.get("a")
    entries.put("c", 3)
    assert gone == ["b"]
    assert (entries.get("a"), entries.get("b"), entries.get("c")) == (1, None, 3)


def test_replacing_an_entry_evicts_nothing() -> None:
    entries: LeastRecent[str, int] = LeastRecent(1)
    entries.put("a", 1)
    entries.put("a", 2)
    assert (entries.get("a"), len(entries)) == (2, 1)


def test_what_was_removed_is_not_there() -> None:
    entries: LeastRecent[str, int] = LeastRecent(1)
    entries.put("a", 1)
    assert (entries.pop("a"), entries.pop("a"), entries.get("a")) == (1, None, None)


def test_room_for_nothing_is_a_mistake() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        LeastRecent(0)
