"""Every test here runs the use cases on a real store."""

from collections.abc import AsyncIterator

import pytest

from fluxrouter_testing.replicas import Replicas, replicas
from fluxrouter_testing.store_fixtures import shared_valkey, shared_valkey_process, valkey
from fluxrouter_testing.valkey import ThrowawayValkey

__all__ = ["both", "shared_valkey", "shared_valkey_process", "valkey"]


@pytest.fixture
async def both(shared_valkey: ThrowawayValkey) -> AsyncIterator[Replicas]:
    async with replicas(shared_valkey) as made:
        yield made
