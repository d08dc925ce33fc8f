"""Somebody else's suite says that our transports speak gRPC: connectrpc.com/conformance.

Inside Envoy, every case passes. On grpc.aio these are grpcio's own:

- `gRPC Unexpected Requests`: it takes broken bodies for ended ones, and waits for a message that
  never comes, which holds up the suite.
- `unexpected-content-type`: it resets the stream, where the suite wants an HTTP status.
- gzip: under load it now and then fails to read the header `grpc-encoding`.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from fluxrouter_testing.conformance.suite import build_suite, generate_contracts
from fluxrouter_testing.go_programs import GoMissing
from fluxrouter_testing.transports import TRANSPORTS, servers_on

FEATURES = Path(__file__).with_name("grpc.yaml")
OF_GRPCIO = (
    *("--skip", "gRPC Unexpected Requests/**"),
    *("--known-failing", "Unexpected Requests/**"),
    *("--known-flaky", "**/Compression:COMPRESSION_GZIP/**"),
)
SUITE_SECONDS = 300

pytestmark = pytest.mark.timeout(1200)  # the first time, the suite is built


@pytest.mark.parametrize("transport", TRANSPORTS)
def test_a_transport_passes_the_conformance_suite(transport: str, tmp_path: Path) -> None:
    with servers_on(transport):
        try:
            suite = build_suite()
            generate_contracts(tmp_path)
        except GoMissing as error:
            pytest.skip(str(error))
        exceptions = OF_GRPCIO if transport == "grpc" else ()
        program = (sys.executable, "-m", "fluxrouter_testing.conformance.program", transport)
        command = [str(suite), "--mode", "server", "--conf", str(FEATURES), *exceptions, "--"]
        done = subprocess.run(
            [*command, *program],
            capture_output=True,
            text=True,
            timeout=SUITE_SECONDS,
            check=False,
            env={**os.environ, "PYTHONPATH": str(tmp_path)},
        )
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
