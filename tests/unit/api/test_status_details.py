from typing import TypeVar

from google.protobuf.message import Message
from google.rpc import error_details_pb2, status_pb2

from fluxrouter_server.api.error_table import Code
from fluxrouter_server.api.status_details import Failure, internal_failure, refusal
from fluxrouter_server.domain.denials import Denial, FieldViolation, LevelFigures, Reason

M = TypeVar("M", bound=Message)

CAP_REACHED = Denial(
    Reason.CAP_REACHED,
    "The account's month has no room: wait for its reset.",
    level=LevelFigures(
        level="account",
        cap_nano_usd=1_000_000_000,
        settled_nano_usd=990_000_000,
        held_nano_usd=9_000_000,
        need_nano_usd=5_000_000,
        reset_us=1_798_761_600_000_000,
    ),
)


def detail(failure: Failure, kind: type[M]) -> M | None:
    """The detail of that kind, None where the status has none."""
    status = status_pb2.Status.FromString(failure.status)
    for item in status.details:
        message = kind()
        if item.Unpack(message):
            return message
    return None


def test_a_refusal_names_its_reason_in_our_domain() -> None:
    info = detail(refusal(CAP_REACHED), error_details_pb2.ErrorInfo)
    assert info is not None
    assert (info.reason, info.domain) == ("CAP_REACHED", "fluxrouter.ai")


def test_a_cap_that_is_reached_carries_the_figures_of_its_level() -> None:
    info = detail(refusal(CAP_REACHED), error_details_pb2.ErrorInfo)
    assert info is not None
    assert dict(info.metadata) == {
        "level": "account",
        "cap_nano_usd": "1000000000",
        "settled_nano_usd": "990000000",
        "held_nano_usd": "9000000",
        "remaining_nano_usd": "1000000",
        "reset_time": "2027-01-01T00:00:00Z",
    }


def test_a_refusal_for_money_names_the_level_as_a_quota() -> None:
    quota = detail(refusal(CAP_REACHED), error_details_pb2.QuotaFailure)
    assert quota is not None
    assert [violation.subject for violation in quota.violations] == ["account"]


def test_a_refusal_that_waiting_does_not_help_carries_no_delay() -> None:
    denial = Denial(Reason.CAP_REACHED, "no", retry_after_us=1_000_000)
    assert detail(refusal(denial), error_details_pb2.RetryInfo) is None


def test_a_refusal_that_waiting_helps_says_how_long() -> None:
    denial = Denial(Reason.RATE_LIMITED, "slower", retry_after_us=1_250_001)
    retry = detail(refusal(denial), error_details_pb2.RetryInfo)
    assert retry is not None
    assert retry.retry_delay.ToMicroseconds() == 1_250_001


def test_facts_that_the_reason_does_not_list_stay_inside() -> None:
    denial = Denial(Reason.MODEL_UNPRICED, "no price", facts={"model": "m", "shard": 7})
    info = detail(refusal(denial), error_details_pb2.ErrorInfo)
    assert info is not None
    assert dict(info.metadata) == {"model": "m"}


def test_wrong_fields_are_named_with_what_is_wrong() -> None:
    denial = Denial(
        Reason.INVALID_REQUEST, "spec.capUsd: -1", violations=(FieldViolation("spec.capUsd", "-1"),)
    )
    bad = detail(refusal(denial), error_details_pb2.BadRequest)
    assert bad is not None
    assert [(item.field, item.description) for item in bad.field_violations] == [
        ("spec.capUsd", "-1")
    ]


def test_a_thousand_wrong_fields_still_fit_into_trailers() -> None:
    violations = tuple(FieldViolation(f"resources[{n}].plan", "x" * 100) for n in range(1000))
    failure = refusal(Denial(Reason.INVALID_REQUEST, "y" * 10_000, violations=violations))
    bad = detail(failure, error_details_pb2.BadRequest)
    assert bad is not None
    assert len(failure.status) <= 4096 + 64  # and the Any around the violations
    assert len(failure.message) <= 1000
    assert [item.field for item in bad.field_violations][:2] == [
        "resources[0].plan",
        "resources[1].plan",
    ]


def test_an_internal_error_tells_its_request_id_and_nothing_else() -> None:
    failure = internal_failure("abc")
    info = detail(failure, error_details_pb2.RequestInfo)
    assert info is not None
    assert (failure.code, info.request_id) == (Code.INTERNAL, "abc")
    assert detail(failure, error_details_pb2.ErrorInfo) is None
