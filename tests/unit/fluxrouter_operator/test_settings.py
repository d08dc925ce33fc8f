from pathlib import Path

import pytest

from fluxrouter_operator.settings import read_settings


def test_options_come_from_the_command_line_and_the_environment() -> None:
    environment = {
        "FLUXROUTER_OPERATOR_SERVER": "fluxrouter:50051",
        "FLUXROUTER_OPERATOR_TLS_CA": "/tls/ca.crt",
        "FLUXROUTER_OPERATOR_SPEND_SECONDS": "3",
        "FLUXROUTER_OPERATOR_NAMESPACES": "a, b",
    }
    settings = read_settings(["--spend-seconds", "5"], environment)
    assert settings.target.address == "fluxrouter:50051"
    assert settings.target.ca_file == Path("/tls/ca.crt")
    assert settings.pace.spend_seconds == 5
    assert settings.namespaces == ("a", "b")


def test_the_environments_numbers_are_numbers() -> None:
    environment = {"FLUXROUTER_OPERATOR_GRACE_SECONDS": "2.5"}
    assert read_settings(["--server", "x:1"], environment).grace_seconds == 2.5


@pytest.mark.parametrize(
    "arguments,problem",
    [
        ([], "--server"),
        (["--server", "x:1", "--spend-seconds", "0"], "above 0"),
        (["--server", "x:1", "--tls-cert", "c.pem"], "go together"),
        (["--server", "x:1", "--colour", "red"], "unrecognized"),
    ],
)
def test_a_wrong_option_is_refused_by_its_name(
    arguments: list[str], problem: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        read_settings(arguments, {})
    assert ended.value.code == 2
    assert problem in capsys.readouterr().err
