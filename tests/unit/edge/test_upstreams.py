from dataclasses import replace

from fluxrouter_server.domain.catalog import Upstream as Described
from fluxrouter_server.edge.directory import CatalogDirectory
from fluxrouter_server.edge.upstreams import Health
from fluxrouter_testing.catalogs import full_catalog

VARIABLE = "FLUXROUTER_UPSTREAM_X"
DESCRIBED = Described("provider", "https://provider.test/v1", VARIABLE, 30)
CATALOG = replace(full_catalog(), upstreams={"provider": DESCRIBED})
ALL = frozenset(CATALOG.models)


def test_an_upstream_comes_with_its_credential() -> None:
    directory = CatalogDirectory(lambda: {VARIABLE: "s3cret"}, "")
    directory.update(CATALOG)
    found = directory.find("provider")
    assert found is not None
    assert (found.base_url, found.secret) == ("https://provider.test/v1", "s3cret")
    assert found.timeout_seconds == 30.0
    assert "s3cret" not in repr(found)
    assert directory.models_without(lambda _: True) == frozenset()
    assert directory.models_without(lambda _: False) == ALL


def test_without_its_credential_an_upstream_is_none_and_no_simulator_takes_its_place() -> None:
    directory = CatalogDirectory(dict, "http://simulator.test")
    directory.update(CATALOG)
    assert directory.find("provider") is None
    assert directory.models_without(lambda _: True) == ALL


def test_the_simulator_answers_for_who_is_not_described() -> None:
    directory = CatalogDirectory(dict, "http://simulator.test")
    directory.update(full_catalog())
    found = directory.find("provider")
    assert found is not None
    assert (found.base_url, found.secret) == ("http://simulator.test", "")


def test_without_a_simulator_nobody_does() -> None:
    directory = CatalogDirectory(dict, "")
    directory.update(full_catalog())
    assert directory.find("provider") is None
    directory.update(None)
    assert directory.models_without(lambda _: True) == frozenset()


def test_five_failures_in_a_row_are_a_pause_that_doubles_and_a_success_ends_it() -> None:
    now = 0.0
    health = Health(lambda: now)
    for _ in range(4):
        health.failed("a")
    health.succeeded("a")
    for _ in range(4):
        health.failed("a")
    assert health.is_usable("a")
    health.failed("a")
    assert not health.is_usable("a")
    assert health.is_usable("b")
    now = 1.0
    assert health.is_usable("a")
    health.failed("a")
    now = 2.9
    assert not health.is_usable("a")
    now = 3.0
    assert health.is_usable("a")
    health.succeeded("a")
    health.failed("a")
    assert health.is_usable("a")
