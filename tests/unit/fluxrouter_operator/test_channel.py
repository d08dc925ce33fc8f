from pathlib import Path

import pytest

from fluxrouter_operator.clients.channel import Channel, InsecureTarget, ServerTarget


@pytest.fixture
def token(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text("first\n")
    return path


def test_a_token_is_read_anew_for_every_call(token: Path) -> None:
    channel = Channel(ServerTarget("127.0.0.1:1", token_file=token))
    assert channel.metadata() == (("authorization", "Bearer first"),)
    token.write_text("second")
    assert channel.metadata() == (("authorization", "Bearer second"),)


@pytest.mark.parametrize("address", ["127.0.0.1:1", "localhost:1", "[::1]:1", "unix:/run/f.sock"])
def test_a_token_may_stay_on_the_machine_in_plain_text(token: Path, address: str) -> None:
    assert Channel(ServerTarget(address, token_file=token)).metadata()


@pytest.mark.parametrize("address", ["fluxrouter:50051", "10.0.0.1:1", "[2001:db8::1]:1"])
def test_a_token_does_not_leave_the_machine_in_plain_text(token: Path, address: str) -> None:
    with pytest.raises(InsecureTarget, match="give --tls-ca FILE"):
        Channel(ServerTarget(address, token_file=token))
    assert Channel(ServerTarget(address, token_file=token, ca_file=token)).metadata()


def test_without_a_token_there_is_nothing_to_protect() -> None:
    assert Channel(ServerTarget("fluxrouter:50051")).metadata() == ()
