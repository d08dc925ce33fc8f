"""TLS and passwords, on a Redis that was built with TLS (the bundled Valkey is not)."""

import ssl
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
import trustme

from fluxrouter_server.store.access import StoreAccess, store_client
from fluxrouter_server.store.addresses import StoreAddress
from fluxrouter_server.store.connection import open_connection
from fluxrouter_server.store.errors import CommandNotSent, StoreUnsuitable
from fluxrouter_server.store.locations import StoreLocation
from fluxrouter_server.store.tls import StoreTls
from fluxrouter_testing.redis_program import redis_with_tls
from fluxrouter_testing.valkey import ThrowawayValkey, free_port

PASSWORD = "p@ss word"


@dataclass(frozen=True)
class TlsStore:
    """A server that listens with TLS alone, wants a password and a client's certificate."""

    address: StoreAddress
    tls: StoreTls

    def access(self, **changes: object) -> StoreAccess:
        return StoreAccess(StoreLocation.single(self.address), replace(self.tls, **changes))  # type: ignore[arg-type]


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Iterator[TlsStore]:
    folder = tmp_path_factory.mktemp("tls")
    authority = trustme.CA()
    authority.cert_pem.write_to_path(folder / "ca.pem")
    for name in ("localhost", "client"):
        issued = authority.issue_cert(name)
        issued.cert_chain_pems[0].write_to_path(folder / f"{name}.pem")
        issued.private_key_pem.write_to_path(folder / f"{name}.key")
    port = free_port()
    config = {
        "tls-port": str(port),
        "tls-cert-file": str(folder / "localhost.pem"),
        "tls-key-file": str(folder / "localhost.key"),
        "tls-ca-cert-file": str(folder / "ca.pem"),
        "requirepass": f'"{PASSWORD}"',
    }
    with tempfile.TemporaryDirectory(prefix="fluxrouter-") as directory:
        server = ThrowawayValkey(Path(directory), config=config, program=redis_with_tls())
        try:
            server.start()
            yield TlsStore(
                StoreAddress("localhost", port, password=PASSWORD, tls=True),
                StoreTls(folder / "ca.pem", folder / "client.pem", folder / "client.key"),
            )
        finally:
            server.stop()


async def test_a_store_behind_tls_is_verified_and_used(store: TlsStore) -> None:
    async with store_client(store.access()) as client:
        await client.wait_ready(10)
        assert await client.execute("ECHO", "x" * 200_000) == b"x" * 200_000


async def test_a_store_that_no_authority_vouches_for_is_refused(store: TlsStore) -> None:
    with pytest.raises(ssl.SSLCertVerificationError):
        await open_connection(store.address)


async def test_a_store_under_another_name_is_refused(store: TlsStore) -> None:
    elsewhere = replace(store.address, host="127.0.0.1")
    with pytest.raises(ssl.SSLCertVerificationError, match="IP address mismatch"):
        await open_connection(elsewhere, tls=store.tls.context())


async def test_a_store_that_wants_a_certificate_gets_one_or_refuses(store: TlsStore) -> None:
    async with store_client(store.access(certificate=None, key=None)) as client:
        with pytest.raises(CommandNotSent):
            await client.wait_ready(0.5)


async def test_a_wrong_password_is_told_and_not_shown(store: TlsStore) -> None:
    wrong = replace(store.address, password="wrong-secret")
    access = StoreAccess(StoreLocation.single(wrong), store.tls)
    async with store_client(access) as client:
        with pytest.raises(StoreUnsuitable) as refusal:
            await client.wait_ready(10)
    assert "wrong-secret" not in str(refusal.value)


def test_a_file_that_cannot_be_used_is_named(tmp_path: Path) -> None:
    missing = tmp_path / "none.pem"
    with pytest.raises(StoreUnsuitable, match=r"none\.pem"):
        StoreTls(ca=missing).context()
