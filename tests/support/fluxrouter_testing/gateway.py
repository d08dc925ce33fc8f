"""The example's Envoy, as a gateway between callers, a server and a provider."""

import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from fluxrouter_server.transport.envoy_programs import find_envoy
from fluxrouter_server.transport.reserved_port import reserved_port
from fluxrouter_testing.edge_world import Answer, Customer, ask_http
from fluxrouter_testing.processes import running
from fluxrouter_testing.waiting import eventually

__all__ = ["EXAMPLE", "PROVIDER_KEY", "Gateway", "running_gateway"]

EXAMPLE = Path(__file__).resolve().parents[3] / "examples" / "envoy" / "envoy.yaml"
PROVIDER_KEY = "sk-the-providers-own-key"

_PORTS = {"gateway": "10000", "fluxrouter": "50051", "provider": "8080"}


@dataclass(frozen=True)
class Gateway:
    """A running Envoy.

    Attributes:
        address: Where it listens, `host:port`.
        log: What it wrote: its access log, too.
    """

    address: str
    log: Path

    def chat(
        self,
        customer: Customer,
        prompt: str = "Hello",
        *,
        path: str = "/v1/chat/completions",
        headers: Mapping[str, str] | None = None,
        **fields: object,
    ) -> Answer:
        """Send a chat completion through it, with the customer's key."""
        body = {
            "model": "llama-3.1-8b",
            "messages": [{"role": "user", "content": prompt}],
            **fields,
        }
        usual = {"authorization": f"Bearer {customer.key}", "content-type": "application/json"}
        return ask_http(self.address, "POST", path, body, headers={**usual, **(headers or {})})


@contextmanager
def running_gateway(server: str, provider_url: str) -> Iterator[Gateway]:
    """Runs the example's configuration with the addresses of this test, and ends it.

    Args:
        server: FluxRouter's address, `127.0.0.1:port`.
        provider_url: Where the provider is, on loopback, too.
    """
    programs = find_envoy()
    assert not isinstance(programs, str), programs
    with (
        reserved_port("127.0.0.1", 0, may_share=False) as port,
        tempfile.TemporaryDirectory(prefix="fluxrouter-gateway-") as folder,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setenv("PROVIDER_KEY", PROVIDER_KEY)
        ports = {
            "gateway": str(port.port),
            "fluxrouter": server.rpartition(":")[2],
            "provider": str(urlsplit(provider_url).port),
        }
        text = EXAMPLE.read_text(encoding="utf-8")
        for name, number in _PORTS.items():
            assert text.count(f"port_value: {number}}}") == 1
            text = text.replace(f"port_value: {number}}}", f"port_value: {ports[name]}}}")
        config, log = Path(folder) / "envoy.yaml", Path(folder) / "envoy.log"
        config.write_text(text, encoding="utf-8")
        command = [
            str(programs.envoy),
            *("--config-path", str(config)),
            *("--disable-hot-restart", "--concurrency", "1", "--log-level", "warning"),
        ]
        with running(command, log=log) as child:
            gateway = Gateway(f"127.0.0.1:{port.port}", log)
            eventually(lambda: child.process.poll() is not None or _listens(gateway.address), 20)
            assert child.process.poll() is None, log.read_text(encoding="utf-8")
            yield gateway


def _listens(address: str) -> bool:
    try:
        ask_http(address, "GET", "/", headers={})
    except OSError:
        return False
    return True
