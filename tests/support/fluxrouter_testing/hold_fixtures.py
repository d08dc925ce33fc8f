"""Fixtures around holds. A conftest.py imports those that its folder wants."""

from collections.abc import Iterator

import pytest

from fluxrouter_testing.hold_world import HoldWorld
from fluxrouter_testing.valkey import ThrowawayValkey

__all__ = ["world"]


@pytest.fixture
def world(shared_valkey: ThrowawayValkey) -> Iterator[HoldWorld]:
    """One account on the Free plan in an empty store."""
    world = HoldWorld(shared_valkey)
    yield world
    world.close()
