import gc
import weakref
from collections.abc import Iterator

import pytest

from fluxrouter_server.bootstrap.garbage import spare_the_collector


class Node:
    """Something that refers to itself, so that only the collector ends it."""

    def __init__(self) -> None:
        self.itself = self


@pytest.fixture(autouse=True)
def restored() -> Iterator[None]:
    thresholds = gc.get_threshold()
    yield
    gc.unfreeze()
    gc.set_threshold(*thresholds)


def test_what_the_start_made_is_collected_no_more() -> None:
    spare_the_collector()
    assert gc.get_freeze_count() > 1_000


def test_what_the_start_dropped_is_not_kept_for_good() -> None:
    dropped = weakref.ref(Node())
    spare_the_collector()
    assert dropped() is None


def test_cycles_that_are_made_later_are_still_collected() -> None:
    spare_the_collector()
    dropped = weakref.ref(Node())
    gc.collect()
    assert dropped() is None
