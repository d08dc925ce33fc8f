import pytest

from fluxrouter_server.domain.names import (
    is_name,
    parse_account_name,
    shown,
    validate_names,
    validate_unique,
)


@pytest.mark.parametrize("name", ["a", "0", "free-demo", "a.b", "a" * 63])
def test_a_name_is_accepted(name: str) -> None:
    assert is_name(name)


@pytest.mark.parametrize(
    "name", ["", "-a", "a-", ".a", "A", "a_b", "a/b", "a b", "a\n", "ä", "a" * 64]
)
def test_what_is_no_name_is_refused_at_its_path(name: str) -> None:
    (violation,) = validate_names({"metadata.namespace": "default", "metadata.name": name})
    assert violation.field == "metadata.name"
    assert "use 1 to 63 lower-case letters" in violation.description


def test_an_account_is_named_with_or_without_its_namespace() -> None:
    assert parse_account_name("acme/search") == "acme/search"
    assert parse_account_name("search") == "default/search"


@pytest.mark.parametrize("text", ["", "/", "a/", "/b", "a/b/c", "A/b", "a/b "])
def test_what_names_no_account_is_told_apart(text: str) -> None:
    assert parse_account_name(text) is None


def test_each_repetition_of_an_id_is_named_with_the_first() -> None:
    violations = validate_unique("spec.lanes", ["a", "b", "a", "a"], field="id")
    assert [violation.field for violation in violations] == ["spec.lanes[2].id", "spec.lanes[3].id"]
    assert all("spec.lanes[0].id" in violation.description for violation in violations)


def test_what_an_error_repeats_is_short_and_plain() -> None:
    assert shown("a\x00ü" + "x" * 10_000) == "'a\\x00\\xfc" + "x" * 61 + "'…"
