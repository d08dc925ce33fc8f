"""TLS and mutual TLS from files, and their renewal while the server runs."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc
import pytest
import trustme

from fluxrouter.v1 import control_pb2
from fluxrouter.v1.control_pb2_grpc import ControlServiceStub
from fluxrouter_testing.fleet import Fleet, Server
from fluxrouter_testing.processes import StartError
from fluxrouter_testing.refusals import refused
from fluxrouter_testing.waiting import eventually_async

LIST = control_pb2.ListRequest(kind=control_pb2.RESOURCE_KIND_PLAN)


@dataclass(frozen=True)
class Files:
    """Where a server's certificate lies."""

    certificate: Path
    key: Path

    @property
    def options(self) -> tuple[str, ...]:
        return ("--tls-cert", str(self.certificate), "--tls-key", str(self.key))

    def replace(self, authority: trustme.CA) -> None:
        """Writes a new certificate of that authority, as a renewal does."""
        issued = authority.issue_cert("localhost")
        for path, blob in (
            (self.key, issued.private_key_pem.bytes()),
            (self.certificate, b"".join(part.bytes() for part in issued.cert_chain_pems)),
        ):
            scratch = path.with_suffix(".new")
            scratch.write_bytes(blob)
            scratch.replace(path)


@pytest.fixture
def files(tmp_path: Path) -> Files:
    return Files(tmp_path / "server.crt", tmp_path / "server.key")


@pytest.fixture
def authority() -> trustme.CA:
    return trustme.CA()


@asynccontextmanager
async def control(
    server: Server, authority: trustme.CA, client: trustme.LeafCert | None = None
) -> AsyncIterator[ControlServiceStub]:
    """A connection of its own that trusts the authority, with a client's certificate or none."""
    credentials = grpc.ssl_channel_credentials(
        root_certificates=authority.cert_pem.bytes(),
        private_key=client.private_key_pem.bytes() if client else None,
        certificate_chain=client.cert_chain_pems[0].bytes() if client else None,
    )
    address = server.address.replace("127.0.0.1", "localhost")
    options = [("grpc.use_local_subchannel_pool", 1)]
    async with grpc.aio.secure_channel(address, credentials, options) as channel:
        yield ControlServiceStub(channel)  # type: ignore[arg-type]


async def is_answered(stub: ControlServiceStub) -> bool:
    """Whether a call gets through; a new certificate may take a second to be used."""
    try:
        await stub.List(LIST, wait_for_ready=False)
    except grpc.aio.AioRpcError:
        return False
    return True


async def test_a_server_with_a_certificate_serves_tls(
    fleet: Fleet, files: Files, authority: trustme.CA
) -> None:
    files.replace(authority)
    server = fleet.start_server(*files.options)
    async with control(server, authority) as trusting:
        assert (await trusting.List(LIST)) is not None
    async with control(server, trustme.CA()) as distrusting:
        refusal = await refused(distrusting.List(LIST, timeout=2))
        assert refusal.code is grpc.StatusCode.UNAVAILABLE
    server.child.stop()


async def test_mutual_tls_lets_in_whom_the_authority_signed(
    fleet: Fleet, files: Files, authority: trustme.CA, tmp_path: Path
) -> None:
    files.replace(authority)
    clients = trustme.CA()
    clients.cert_pem.write_to_path(tmp_path / "clients.crt")
    server = fleet.start_server(*files.options, "--tls-client-ca", str(tmp_path / "clients.crt"))
    signed = clients.issue_cert("gateway.example")
    forged = trustme.CA().issue_cert("gateway.example")
    async with control(server, authority, signed) as known:
        assert (await known.List(LIST)) is not None
    for client in (None, forged):
        async with control(server, authority, client) as unknown:
            refusal = await refused(unknown.List(LIST, timeout=2))
            assert refusal.code is grpc.StatusCode.UNAVAILABLE
    server.child.stop()


async def test_a_renewed_certificate_is_used_without_a_restart(
    fleet: Fleet, files: Files, authority: trustme.CA
) -> None:
    files.replace(authority)
    server = fleet.start_server(*files.options)
    async with control(server, authority) as before:
        assert (await before.List(LIST)) is not None
        following = trustme.CA()
        files.replace(following)
        async with control(server, following) as after:
            await eventually_async(lambda: is_answered(after))
        assert (await before.List(LIST)) is not None  # a connection outlives its certificate
    server.child.stop()


async def test_a_renewal_that_is_half_written_leaves_the_former_certificate_in_use(
    fleet: Fleet, files: Files, authority: trustme.CA
) -> None:
    files.replace(authority)
    server = fleet.start_server(*files.options)
    files.key.write_bytes(trustme.CA().issue_cert("localhost").private_key_pem.bytes())
    async with control(server, authority) as trusting:
        assert (await trusting.List(LIST)) is not None

    files.replace(authority)
    async with control(server, authority) as trusting:
        assert (await trusting.List(LIST)) is not None
    server.child.stop()


MISTAKES = {
    "missing": "No such file",
    "another's key": "cannot be used",
    "no PEM": "cannot be used",
}


@pytest.mark.parametrize("mistake", MISTAKES)
def test_a_certificate_that_cannot_be_used_stops_the_start(
    fleet: Fleet, files: Files, authority: trustme.CA, mistake: str
) -> None:
    if mistake != "missing":
        files.replace(authority)
    if mistake == "another's key":
        files.key.write_bytes(trustme.CA().issue_cert("localhost").private_key_pem.bytes())
    if mistake == "no PEM":
        files.certificate.write_text("not a certificate")
    with pytest.raises(StartError, match=MISTAKES[mistake]) as refusal:
        fleet.start_server(*files.options)
    assert "Traceback" not in str(refusal.value)
