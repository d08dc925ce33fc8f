"""Both transports, for tests that every one of them must pass."""

import os
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import pytest

from fluxrouter_server.transport.envoy_programs import find_envoy

TRANSPORTS: Final = ("grpc", "envoy")
_VARIABLE: Final = "FLUXROUTER_TRANSPORT"


@contextmanager
def servers_on(transport: str) -> Iterator[str]:
    """Has every server that is started meanwhile use a transport, unless it is told otherwise.

    Skips the test where the transport does not run.
    """
    if transport == "envoy" and isinstance(why_not := find_envoy(), str):
        pytest.skip(why_not)
    before = os.environ.get(_VARIABLE)
    os.environ[_VARIABLE] = transport
    try:
        yield transport
    finally:
        if before is None:
            del os.environ[_VARIABLE]
        else:
            os.environ[_VARIABLE] = before
