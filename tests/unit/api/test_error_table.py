"""The table of refusals against the comments of `errors.proto`, which are the contract."""

import re
from pathlib import Path

import pytest

from fluxrouter.v1 import errors_pb2
from fluxrouter_server.api.error_table import TABLE, Code, denial_of
from fluxrouter_server.domain.denials import Reason
from fluxrouter_server.services.ports.errors import StoreRefused, StoreUnavailable

CONTRACT = Path(__file__).resolve().parents[3] / "protos" / "fluxrouter" / "v1" / "errors.proto"
LEVEL_FACTS = {
    "level",
    "cap_nano_usd",
    "settled_nano_usd",
    "held_nano_usd",
    "remaining_nano_usd",
    "reset_time",
}


def comments() -> dict[str, str]:
    """The comment of each reason, on one line."""
    text = CONTRACT.read_text(encoding="utf-8")
    found = re.findall(r"((?:  //[^\n]*\n)+)  REASON_(\w+) = \d+;", text)
    return {name: " ".join(re.sub(r"\s*//\s*", " ", comment).split()) for comment, name in found}


def promised_facts(comment: str) -> set[str]:
    if "Metadata as CAP_REACHED" in comment:
        return LEVEL_FACTS
    listed = re.search(r"Metadata: ([\w, ]+)\.", comment)
    return set(listed[1].replace(" ", "").split(",")) if listed else set()


def test_every_reason_of_the_contract_is_in_the_table_and_in_the_domain() -> None:
    contract = {name.removeprefix("REASON_") for name in errors_pb2.Reason.keys()[1:]}
    assert contract == set(Reason) == set(TABLE)


@pytest.mark.parametrize("reason", Reason)
def test_a_reason_travels_with_the_status_that_its_contract_names(reason: Reason) -> None:
    assert comments()[reason].split(".", 1)[0] == TABLE[reason].code.name


@pytest.mark.parametrize("reason", Reason)
def test_a_reason_carries_retry_info_where_its_contract_says_so(reason: Reason) -> None:
    assert TABLE[reason].retry == ("with RetryInfo" in comments()[reason])


@pytest.mark.parametrize("reason", Reason)
def test_a_reason_carries_the_metadata_that_its_contract_lists(reason: Reason) -> None:
    row = TABLE[reason]
    carried = set(row.facts) | (LEVEL_FACTS if row.level else set())
    assert carried == promised_facts(comments()[reason])


def test_a_store_that_does_not_answer_is_unavailable_and_says_when_to_retry() -> None:
    error = StoreUnavailable("at 10.0.0.7", outcome_unknown=True, retry_after_us=250)
    denial = denial_of(error, to_operator=False)
    assert (denial.reason, denial.retry_after_us) == (Reason.STORE_UNAVAILABLE, 250)
    assert TABLE[denial.reason].code is Code.UNAVAILABLE


@pytest.mark.parametrize(
    "error",
    [StoreUnavailable("at 10.0.0.7", outcome_unknown=False), StoreRefused("at 10.0.0.7")],
)
def test_operators_learn_what_is_wrong_with_the_store_and_others_do_not(
    error: StoreUnavailable | StoreRefused,
) -> None:
    assert denial_of(error, to_operator=True).message == "at 10.0.0.7"
    assert "10.0.0.7" not in denial_of(error, to_operator=False).message
