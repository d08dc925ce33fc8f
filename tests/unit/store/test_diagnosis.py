from dataclasses import replace

import pytest

from fluxrouter_server.services.ports.ledger import Backlog
from fluxrouter_server.store.diagnosis import Finding, StoreFacts, diagnose, judge_backlog
from fluxrouter_server.store.suitability import ServerFacts, Wanted

SERVER = ServerFacts(
    product="valkey",
    version=(9, 1, 2),
    run_id="r",
    replication_id="i",
    role="master",
    maxmemory_policy="noeviction",
    is_cluster_node=False,
)
WELL = StoreFacts(
    server=SERVER,
    layout_problem=None,
    skew_us=0,
    has_append_only_file=True,
    append_fsync="always",
    last_write_failed=False,
    used_memory_bytes=80,
    maxmemory_bytes=100,
)


def wrong(facts: StoreFacts) -> list[Finding]:
    return [finding for finding in diagnose({"here": facts}) if not finding.ok]


def test_a_store_that_is_well_has_nothing_wrong() -> None:
    assert wrong(WELL) == []
    assert (
        len({finding.name for finding in diagnose({"here": WELL})})
        == len(diagnose({"here": WELL}))
        == 6
    )


@pytest.mark.parametrize(
    "facts, name, problem, remedy",
    [
        (
            replace(WELL, server=replace(SERVER, version=(6, 2, 0))),
            "suitability",
            "no script flags",
            "use Valkey",
        ),
        (
            replace(WELL, server=replace(SERVER, maxmemory_policy="allkeys-lru")),
            "suitability",
            "allkeys-lru",
            "noeviction",
        ),
        (
            replace(WELL, server=replace(SERVER, role="slave")),
            "suitability",
            "replica",
            "primary",
        ),
        (replace(WELL, layout_problem="It is lost."), "layout", "It is lost.", ""),
        (replace(WELL, skew_us=2_000_001), "clock", "2.0 s ahead of", "NTP"),
        (replace(WELL, skew_us=-7_500_000), "clock", "7.5 s behind", "NTP"),
        (replace(WELL, last_write_failed=True), "persistence", "could not write", "disk"),
        (replace(WELL, has_append_only_file=False), "persistence", "loses", "appendonly yes"),
        (replace(WELL, append_fsync="no"), "persistence", "'no'", "always"),
        (replace(WELL, used_memory_bytes=81), "memory", "81%", "maxmemory"),
    ],
)
def test_what_is_wrong_is_named_with_its_remedy(
    facts: StoreFacts, name: str, problem: str, remedy: str
) -> None:
    (finding,) = wrong(facts)
    assert finding.name == name
    assert problem in finding.problem
    assert remedy in finding.remedy


@pytest.mark.parametrize(
    "facts",
    [
        replace(WELL, skew_us=2_000_000),
        replace(WELL, append_fsync="everysec"),
        replace(WELL, append_fsync=None),
        replace(WELL, used_memory_bytes=10**12, maxmemory_bytes=0),
    ],
)
def test_what_is_a_choice_or_within_bounds_is_not_wrong(facts: StoreFacts) -> None:
    assert wrong(facts) == []


def test_a_ledger_that_lags_beyond_its_bound_is_wrong_and_else_its_lag_is_told() -> None:
    assert judge_backlog(Backlog(2, 30.0), max_lag_seconds=30).ok
    assert judge_backlog(Backlog(2, 30.1), max_lag_seconds=0).ok
    finding = judge_backlog(Backlog(2, 30.1), max_lag_seconds=30)
    assert (finding.ok, "2 entries" in finding.problem) == (False, True)
    assert "database answers" in finding.remedy


def test_the_server_with_the_problem_is_named_where_there_are_several() -> None:
    servers = {"one:1": WELL, "two:2": replace(WELL, skew_us=9_000_000)}
    (finding,) = [finding for finding in diagnose(servers) if not finding.ok]
    assert finding.name == "clock"
    assert finding.problem.startswith("two:2: ")


@pytest.mark.parametrize(
    "connected, word", [(0, "nothing is decided"), (1, "nothing is decided"), (3, "forget")]
)
def test_replicas_must_be_as_many_as_decisions_wait_for(connected: int, word: str) -> None:
    server = replace(SERVER, connected_replicas=connected, min_replicas_to_write=2)
    facts = replace(WELL, server=server, wanted=Wanted(replicas=2))
    (finding,) = wrong(facts)
    assert finding.name == "replicas"
    assert word in finding.problem
