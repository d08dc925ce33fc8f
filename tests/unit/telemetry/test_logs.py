import json
import logging
from collections.abc import Iterator
from io import StringIO

import pytest
import structlog

from fluxrouter_server.domain.ids import AccountUid
from fluxrouter_server.domain.keys import format_api_key, format_service_secret
from fluxrouter_server.telemetry.logs import LogFormat, LogLevel, hide_secrets, set_up_logs

API_KEY = format_api_key(AccountUid("abcdefghijklmnop"), b"01234567890123456789")
SERVICE_SECRET = format_service_secret("gate.way-1", b"98765432109876543210")


@pytest.fixture
def lines() -> Iterator[StringIO]:
    """What is logged; logging is as it was before afterwards."""
    root = logging.getLogger()
    before = root.handlers[:], root.level
    stream = StringIO()
    set_up_logs(LogFormat.JSON, LogLevel.INFO, stream=stream)
    yield stream
    structlog.reset_defaults()
    root.handlers[:], root.level = before


def logged(lines: StringIO) -> list[dict[str, str]]:
    return [json.loads(line) for line in lines.getvalue().splitlines()]


def test_a_line_is_one_json_object_with_a_constant_event(lines: StringIO) -> None:
    structlog.get_logger().info("hold_ended", state="settled")
    (line,) = logged(lines)
    assert (line["event"], line["level"], line["state"]) == ("hold_ended", "info", "settled")
    assert line["time"].endswith("Z")


def test_less_important_lines_are_left_out(lines: StringIO) -> None:
    structlog.get_logger().debug("detail")
    assert not logged(lines)


def test_what_libraries_log_has_the_same_form(lines: StringIO) -> None:
    logging.getLogger("some.library").warning("watch %s", "out")
    (line,) = logged(lines)
    assert (line["event"], line["logger"]) == ("library_log", "some.library")
    assert line["message"] == "watch out"


@pytest.mark.parametrize("secret", [API_KEY, SERVICE_SECRET])
def test_a_secret_in_an_exception_does_not_reach_the_log(lines: StringIO, secret: str) -> None:
    try:
        raise ValueError(f"cannot read {secret}, really")
    except ValueError:
        structlog.get_logger().exception("call_failed")
    text = lines.getvalue()
    assert secret.split("-")[-2] not in text
    assert "cannot read" in text
    assert "really" in text


@pytest.mark.parametrize("secret", [API_KEY, SERVICE_SECRET])
def test_a_secret_without_its_checksum_is_hidden_as_well(secret: str) -> None:
    cut = secret.rsplit("-", 1)[0]
    assert cut not in str(hide_secrets(None, "", {"text": f"<{cut}>"}))


def test_any_bearer_token_is_hidden() -> None:
    event = hide_secrets(None, "", {"text": "authorization: Bearer eyJhbGciOi.x.y, then"})
    assert "eyJhbGciOi" not in str(event)
    assert str(event["text"]).endswith("then")


def test_an_account_may_still_be_recognized_by_its_keys_beginning() -> None:
    event = hide_secrets(None, "", {"text": API_KEY})
    assert event["text"] == "fr-abcdefghijklmnop-…"
