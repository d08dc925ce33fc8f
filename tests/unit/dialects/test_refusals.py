import json

import pytest

from fluxrouter_server.dialects.answer_headers import refusal_headers
from fluxrouter_server.dialects.chat_completions import ChatCompletions
from fluxrouter_server.dialects.messages import Messages
from fluxrouter_server.dialects.refusals import Refusal, refusal_of
from fluxrouter_server.domain.denials import Denial, FieldViolation, LevelFigures, Reason

LEVEL = LevelFigures("account", 10**9, 9 * 10**8, 5 * 10**7, 10**8, 1_801_440_000_000_000)


@pytest.mark.parametrize(
    "reason,status,openai,anthropic",
    [
        (Reason.CAP_REACHED, 402, "insufficient_quota", "billing_error"),
        (Reason.HOURLY_CAP_REACHED, 402, "insufficient_quota", "billing_error"),
        (Reason.RATE_LIMITED, 429, "rate_limit_error", "rate_limit_error"),
        (Reason.TOO_MANY_IN_FLIGHT, 429, "rate_limit_error", "rate_limit_error"),
        (Reason.TOKEN_RATE_LIMITED, 429, "rate_limit_error", "rate_limit_error"),
        (Reason.PAYMENT_METHOD_REQUIRED, 402, "insufficient_quota", "billing_error"),
        (Reason.ACCOUNT_SUSPENDED, 402, "insufficient_quota", "billing_error"),
        (Reason.MODEL_NOT_IN_PLAN, 402, "insufficient_quota", "billing_error"),
        (Reason.API_KEY_INVALID, 401, "authentication_error", "authentication_error"),
        (Reason.MODEL_NOT_FOUND, 404, "invalid_request_error", "not_found_error"),
        (Reason.CONTEXT_TOO_LONG, 400, "invalid_request_error", "invalid_request_error"),
        (Reason.MODEL_UNPRICED, 400, "invalid_request_error", "invalid_request_error"),
        (Reason.NO_HEALTHY_MODEL, 503, "server_error", "overloaded_error"),
        (Reason.STORE_UNAVAILABLE, 503, "server_error", "overloaded_error"),
    ],
)
def test_each_reason_has_its_status_code_and_type(
    reason: Reason, status: int, openai: str, anthropic: str
) -> None:
    refusal = refusal_of(Denial(reason, "why"))
    assert (refusal.status, refusal.code) == (status, reason.lower())
    told = json.loads(ChatCompletions().error_body(refusal, "r"))["error"]
    assert told == {"message": "why", "type": openai, "param": None, "code": reason.lower()}
    other = json.loads(Messages().error_body(refusal, "r"))
    assert other["type"] == "error"
    assert other["error"]["type"] == anthropic
    assert other["request_id"] == "r"


def test_a_reason_that_no_http_request_can_meet_is_our_fault() -> None:
    assert refusal_of(Denial(Reason.SCOPE_MISSING, "why")).status == 500


def test_the_figures_of_a_level_go_along() -> None:
    told = refusal_of(Denial(Reason.CAP_REACHED, "why", level=LEVEL)).figures
    assert told == {
        "level": "account",
        "cap_usd": "1.00",
        "settled_usd": "0.90",
        "held_usd": "0.05",
        "remaining_usd": "0.05",
        "reset_time": "2027-02-01T00:00:00Z",
    }


@pytest.mark.parametrize(
    "wait_us,seconds", [(0, "1"), (1, "1"), (1_000_001, "2"), (60_000_000, "60")]
)
def test_waits_are_rounded_up_to_seconds_and_never_to_none(wait_us: int, seconds: str) -> None:
    refusal = refusal_of(Denial(Reason.RATE_LIMITED, "why", retry_after_us=wait_us))
    headers = dict(refusal_headers(refusal, "r"))
    assert headers[b"retry-after"] == seconds.encode()
    assert b"x-should-retry" not in headers


def test_what_cannot_succeed_is_not_to_be_tried_again() -> None:
    for reason in (Reason.CAP_REACHED, Reason.HOURLY_CAP_REACHED, Reason.MODEL_NOT_FOUND):
        assert (
            dict(refusal_headers(refusal_of(Denial(reason, "")), ""))[b"x-should-retry"] == b"false"
        )


def test_the_wrong_field_is_named() -> None:
    violation = FieldViolation("max_output_tokens", "too many")
    denial = Denial(Reason.INVALID_REQUEST, "why", violations=(violation,))
    assert refusal_of(denial).param == "max_output_tokens"


def test_a_request_id_cannot_break_out_of_its_header() -> None:
    headers = dict(refusal_headers(Refusal(400, "c", "m"), "a\r\nx: y\u2028"))
    assert headers[b"x-flux-request-id"] == b"a??x: y?"
