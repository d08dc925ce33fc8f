import pytest

from fluxrouter_server.bootstrap.exposure import allows_local, needs_stored, require_stored
from fluxrouter_server.services.ports.documents import CredentialRecord
from fluxrouter_server.settings import SettingsError, read_settings

ONE = (CredentialRecord("gateway", "0" * 64, frozenset({"route"}), create_us=0),)
LOOPBACK = read_settings({}, {})
OPEN = read_settings({"listen": "0.0.0.0:50051"}, {})


def test_this_machine_needs_no_credential_where_none_is_configured() -> None:
    assert allows_local(LOOPBACK, ())
    assert not needs_stored(LOOPBACK, ())


def test_a_configured_credential_closes_the_door_on_this_machine_too() -> None:
    assert not allows_local(LOOPBACK, ONE)


def test_other_machines_are_never_let_in_without_a_credential() -> None:
    assert not allows_local(OPEN, ())
    assert needs_stored(OPEN, ())
    with pytest.raises(SettingsError, match=r"--credentials-file, or make one"):
        require_stored(OPEN, ())


def test_other_machines_may_come_with_a_credential() -> None:
    assert not needs_stored(OPEN, ONE)
    require_stored(OPEN, ONE)
