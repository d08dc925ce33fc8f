import pytest

from fluxrouter_server.store.errors import CommandRefused, StoreNotReady
from fluxrouter_server.store.replies import ErrorReply, classify


@pytest.mark.parametrize(
    "code", ["TRYAGAIN", "ASK", "MOVED", "CLUSTERDOWN", "NOSCRIPT", "LOADING", "BUSY", "MASTERDOWN"]
)
def test_what_passes_by_itself_may_be_repeated(code: str) -> None:
    failure = classify(ErrorReply(f"{code} some words"))
    assert isinstance(failure, StoreNotReady)
    assert (failure.code, failure.may_repeat, failure.outcome_unknown) == (code, True, False)


@pytest.mark.parametrize("code", ["OOM", "MISCONF", "READONLY", "NOREPLICAS"])
def test_what_needs_help_is_not_repeated_but_certainly_not_executed(code: str) -> None:
    failure = classify(ErrorReply(f"{code} some words"))
    assert isinstance(failure, StoreNotReady)
    assert (failure.may_repeat, failure.outcome_unknown) == (False, False)


@pytest.mark.parametrize(
    "code,is_outage",
    [("LOADING", True), ("MISCONF", True), ("OOM", False), ("TRYAGAIN", False), ("MOVED", False)],
)
def test_only_what_meets_every_call_counts_as_an_outage(code: str, is_outage: bool) -> None:
    failure = classify(ErrorReply(f"{code} some words"))
    assert isinstance(failure, StoreNotReady)
    assert failure.is_outage is is_outage


def test_any_other_error_is_a_refusal_with_its_code_word() -> None:
    failure = classify(ErrorReply("WRONGTYPE Operation against a key"))
    assert isinstance(failure, CommandRefused)
    assert failure.code == "WRONGTYPE"
    assert not failure.inside_script


@pytest.mark.parametrize(
    "text",
    [
        "TRYAGAIN Multiple keys script: on @user_script:3.",
        "OOM command not allowed script: 5e5c5ef0, on @user_script:12.",
    ],
)
def test_an_error_inside_a_script_never_means_that_nothing_happened(text: str) -> None:
    failure = classify(ErrorReply(text))
    assert isinstance(failure, CommandRefused)
    assert failure.inside_script


def test_a_known_error_comes_with_its_remedy() -> None:
    assert "raise maxmemory" in str(classify(ErrorReply("OOM command not allowed")))
