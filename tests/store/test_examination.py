import time

from fluxrouter_server.store.connection import open_connection
from fluxrouter_server.store.diagnosis import StoreFacts, diagnose
from fluxrouter_server.store.examination import examine
from fluxrouter_testing.valkey import ThrowawayValkey, running_valkey


def now_us() -> int:
    return time.time_ns() // 1_000


async def facts_of(server: ThrowawayValkey, *, skew_us: int = 0) -> StoreFacts:
    connection = await open_connection(server.address)
    try:
        return await examine(connection, layout_problem=None, now_us=lambda: now_us() - skew_us)
    finally:
        connection.abort()


async def test_a_durable_store_is_found_to_be_well(durable_valkey: ThrowawayValkey) -> None:
    facts = await facts_of(durable_valkey)
    assert [finding for finding in diagnose({"here": facts}) if not finding.ok] == []
    assert facts.append_fsync == "always"
    assert facts.used_memory_bytes > 0


async def test_what_is_configured_wrongly_is_found() -> None:
    config = {"maxmemory-policy": "allkeys-lru", "maxmemory": "1mb"}
    with running_valkey(config=config) as server:
        facts = await facts_of(server, skew_us=60_000_000)
    wrong = {finding.name for finding in diagnose({"here": facts}) if not finding.ok}
    assert wrong == {"suitability", "clock", "persistence", "memory"}


async def test_a_store_that_does_not_tell_its_configuration_can_be_examined(
    valkey: ThrowawayValkey,
) -> None:
    valkey.command("ACL", "SETUSER", "default", "-config")
    assert (await facts_of(valkey)).append_fsync is None
