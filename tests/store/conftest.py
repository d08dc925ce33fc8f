"""Every test here talks to a real store."""

from fluxrouter_testing.hold_fixtures import world
from fluxrouter_testing.store_fixtures import (
    durable_valkey,
    shared_cluster_process,
    shared_store,
    shared_valkey,
    shared_valkey_process,
    valkey,
)

__all__ = [
    "durable_valkey",
    "shared_cluster_process",
    "shared_store",
    "shared_valkey",
    "shared_valkey_process",
    "valkey",
    "world",
]
