from dataclasses import fields
from pathlib import Path

import pytest

from fluxrouter_server.settings import OPTIONS, Address, Settings, SettingsError, read_settings
from fluxrouter_server.store.embedded_config import AppendFsync


def test_the_table_has_a_row_for_each_setting_and_no_other() -> None:
    assert [option.name for option in OPTIONS] == [field.name for field in fields(Settings)]


def test_a_server_that_is_told_nothing_listens_on_this_machine_alone() -> None:
    settings = read_settings({}, {})
    assert str(settings.listen) == "127.0.0.1:50051"
    assert settings.listen.is_loopback
    assert settings.metrics_listen.is_loopback
    assert settings.store is None
    assert settings.appendfsync is AppendFsync.ALWAYS


def test_a_flag_wins_over_the_environment_and_that_over_the_default() -> None:
    environment = {"FLUXROUTER_STORE_TIMEOUT_MS": "300", "FLUXROUTER_MAX_MESSAGE_BYTES": "2048"}
    settings = read_settings({"store_timeout_ms": "400"}, environment)
    assert settings.store_timeout_ms == 400
    assert settings.max_message_bytes == 2048
    assert settings.replay_window_seconds == 3600


def test_a_home_is_written_as_a_tilde() -> None:
    settings = read_settings({"data_dir": "~/x", "ready_file": "~/y"}, {})
    assert settings.data_dir == Path.home() / "x"
    assert settings.ready_file == Path.home() / "y"


@pytest.mark.parametrize(
    "text, expected",
    [
        ("127.0.0.1:0", Address("127.0.0.1", 0)),
        ("[::1]:50051", Address("::1", 50051)),
        ("localhost:80", Address("localhost", 80)),
        ("unix:/run/fluxrouter.sock", Address(path="/run/fluxrouter.sock")),
    ],
)
def test_an_address_reads_as_it_is_written(text: str, expected: Address) -> None:
    listen = read_settings({"listen": text}, {}).listen
    assert listen == expected
    assert str(listen) == text
    assert listen.is_loopback


@pytest.mark.parametrize("text", ["0.0.0.0:1", "[::]:1", "10.0.0.1:1", "gateway.example:1"])
def test_other_addresses_are_not_this_machines_alone(text: str) -> None:
    assert not read_settings({"listen": text}, {}).listen.is_loopback


@pytest.mark.parametrize(
    "name, text",
    [
        ("listen", "50051"),
        ("listen", ":50051"),
        ("listen", "host:port"),
        ("listen", "host:70000"),
        ("listen", "unix:relative"),
        ("metrics_listen", "unix:/run/metrics.sock"),
        ("store", "http://host"),
        ("store_timeout_ms", "0"),
        ("store_timeout_ms", "fast"),
        ("store_timeout_ms", "-5"),
        ("appendfsync", "never"),
        ("initialize_store", "maybe"),
        ("drain_grace_seconds", "nan"),
        ("drain_grace_seconds", "-1"),
        ("log_level", "LOUD"),
        ("max_message_bytes", "1"),
    ],
)
def test_a_wrong_value_is_refused_by_the_name_of_its_flag(name: str, text: str) -> None:
    with pytest.raises(SettingsError, match=f"^--{name.replace('_', '-')}"):
        read_settings({name: text}, {})


def test_a_wrong_value_of_the_environment_is_refused_by_the_name_of_its_variable() -> None:
    with pytest.raises(SettingsError, match=r"^FLUXROUTER_LISTEN: "):
        read_settings({}, {"FLUXROUTER_LISTEN": "nowhere"})


def test_a_password_in_the_stores_url_is_not_repeated_in_an_error() -> None:
    with pytest.raises(SettingsError) as refused:
        read_settings({"store": "http://user:hunter2@host"}, {})
    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize("given", [{"tls_cert": "c"}, {"tls_key": "k"}, {"tls_client_ca": "a"}])
def test_half_of_tls_is_refused(given: dict[str, str]) -> None:
    with pytest.raises(SettingsError, match="--tls-"):
        read_settings(given, {})


def test_a_simulated_clock_is_refused_where_others_can_reach_it() -> None:
    with pytest.raises(SettingsError, match="--simulated-clock"):
        read_settings({"simulated_clock": "clock", "listen": "0.0.0.0:1"}, {})
    assert read_settings({"simulated_clock": "clock"}, {}).simulated_clock == Path("clock")


def test_a_part_of_a_server_needs_an_external_store() -> None:
    with pytest.raises(SettingsError, match="--role serve: an embedded store"):
        read_settings({"role": "serve"}, {})


def test_who_keeps_the_ledger_must_be_told_which() -> None:
    with pytest.raises(SettingsError, match="--role ledger: there is none to keep"):
        read_settings({"role": "ledger", "store": "valkey://store"}, {})


def test_text_goes_into_the_decision_log_only_where_there_is_one() -> None:
    with pytest.raises(SettingsError, match="give --decision-log DIR, too"):
        read_settings({"decision_log_text": "true"}, {})
    settings = read_settings({"decision_log_text": "true", "decision_log": "log"}, {})
    assert settings.decision_log == Path.cwd() / "log"
