import asyncio
import contextlib
import ssl
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
import trustme

from fluxrouter_server.store.addresses import StoreAddress
from fluxrouter_server.store.connection import open_connection
from fluxrouter_testing.valkey import ThrowawayValkey


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of `localhost`, its key and its authority, in one file."""
    path = tmp_path_factory.mktemp("tls") / "all.pem"
    authority = trustme.CA()
    authority.issue_cert("localhost").private_key_and_cert_chain_pem.write_to_path(path)
    authority.cert_pem.write_to_path(path, append=True)
    return path


@contextlib.asynccontextmanager
async def tls_in_front_of(server: ThrowawayValkey, certificate: Path) -> AsyncIterator[int]:
    """A port that speaks TLS and passes everything on: the bundled store is built without TLS."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)

    handlers: set[asyncio.Task[None]] = set()

    async def copy(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):  # the client ends by abort
            while data := await reader.read(65536):
                writer.write(data)
        writer.close()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        store_reader, store_writer = await asyncio.open_unix_connection(server.address.path)
        await asyncio.gather(copy(reader, store_writer), copy(store_reader, writer))

    def keep(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        handlers.add(asyncio.create_task(serve(reader, writer)))

    async with await asyncio.start_server(keep, "127.0.0.1", 0, ssl=context) as listener:
        yield listener.sockets[0].getsockname()[1]
        await asyncio.gather(*handlers)


async def test_a_store_behind_tls_is_verified_and_used(
    shared_valkey: ThrowawayValkey, certificate: Path
) -> None:
    async with tls_in_front_of(shared_valkey, certificate) as port:
        trust = ssl.create_default_context(cafile=str(certificate))
        address = StoreAddress(host="localhost", port=port, tls=True)
        connection = await open_connection(address, tls=trust)
        assert await connection.call(("ECHO", "x" * 200_000)) == b"x" * 200_000
        connection.abort()


async def test_a_store_that_no_authority_vouches_for_is_refused(
    shared_valkey: ThrowawayValkey, certificate: Path
) -> None:
    async with tls_in_front_of(shared_valkey, certificate) as port:
        with pytest.raises(ssl.SSLCertVerificationError):
            await open_connection(StoreAddress(host="localhost", port=port, tls=True))
