from dataclasses import replace

import pytest

from fluxrouter_server.store.errors import StoreUnsuitable
from fluxrouter_server.store.suitability import ServerFacts, Wanted, parse_info, require_suitable

GOOD = ServerFacts(
    product="valkey",
    version=(7, 2, 4),
    run_id="a",
    replication_id="b",
    role="master",
    maxmemory_policy="noeviction",
    is_cluster_node=False,
)


@pytest.mark.parametrize("facts", [GOOD, replace(GOOD, product="redis", version=(7, 0))])
def test_a_primary_that_forgets_nothing_is_accepted(facts: ServerFacts) -> None:
    require_suitable(facts)


@pytest.mark.parametrize(
    "facts,remedy",
    [
        (replace(GOOD, maxmemory_policy="allkeys-lru"), "CONFIG SET maxmemory-policy noeviction"),
        (replace(GOOD, maxmemory_policy=""), "'unknown'"),
        (replace(GOOD, version=(6, 2, 14)), "6.2.14, which has no script flags"),
        (replace(GOOD, version=()), "Redis 7.0 or newer"),
        (replace(GOOD, role="slave"), "let the URL lead to the primary"),
        (replace(GOOD, is_cluster_node=True), "write valkey+cluster://host:port"),
    ],
)
def test_any_other_store_is_refused_with_the_remedy(facts: ServerFacts, remedy: str) -> None:
    with pytest.raises(StoreUnsuitable) as refusal:
        require_suitable(facts)
    assert remedy in str(refusal.value)


def test_info_is_parsed_into_its_fields() -> None:
    text = b"# Server\r\nrun_id:abc\r\nexecutable:/a:b\r\n\r\n# Memory\r\nmaxmemory:0\r\n"
    assert parse_info(text) == {"run_id": "abc", "executable": "/a:b", "maxmemory": "0"}


def test_a_cluster_is_a_cluster_where_one_is_wanted() -> None:
    wanted = Wanted(cluster_node=True)
    require_suitable(replace(GOOD, is_cluster_node=True), wanted)
    with pytest.raises(StoreUnsuitable, match="write valkey://host:port"):
        require_suitable(GOOD, wanted)


def test_a_primary_that_would_go_on_without_its_replicas_is_refused() -> None:
    wanted = Wanted(replicas=2)
    require_suitable(replace(GOOD, min_replicas_to_write=2), wanted)
    for found in (0, 1, 3):
        with pytest.raises(StoreUnsuitable, match="set 'min-replicas-to-write 2'"):
            require_suitable(replace(GOOD, min_replicas_to_write=found), wanted)


def test_a_primary_that_does_not_tell_its_replicas_is_refused() -> None:
    with pytest.raises(StoreUnsuitable, match="CONFIG GET"):
        require_suitable(GOOD, Wanted(replicas=1))
