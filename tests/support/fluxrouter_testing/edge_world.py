"""A real server with its HTTP edge in a real Envoy, its simulated upstream, and customers of it."""

import json
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from itertools import count
from typing import Any, TypeAlias, TypeVar
from urllib.parse import urlsplit

import anthropic
import openai

from fluxrouter.v1 import account_pb2, cap_pb2, control_pb2, usage_pb2
from fluxrouter_server.cli.resource_files import API_VERSION
from fluxrouter_server.cli.session import Session
from fluxrouter_testing.fleet import Fleet, SimulatedClock, running_fleet

__all__ = ["Answer", "Customer", "EdgeWorld", "ask_http", "edge_world"]

START_US = 1_800_000_000_000_000  # 2027-01-15T08:00:00Z

_TIMEOUT_SECONDS = 30.0
_numbers = count(1)

C = TypeVar("C", openai.OpenAI, anthropic.Anthropic)
Json: TypeAlias = dict[str, Any]


@dataclass(frozen=True)
class Answer:
    """An HTTP answer; names of headers are in lower case."""

    status: int
    headers: Mapping[str, str]
    body: bytes

    @property
    def json(self) -> Json:
        """Its body."""
        value = json.loads(self.body)
        assert isinstance(value, dict)
        return value


@dataclass(frozen=True)
class Customer:
    """An account that is one test's alone, with a key."""

    world: "EdgeWorld"
    name: str
    key: str

    def openai(self, **options: Any) -> openai.OpenAI:  # noqa: ANN401 - any that the SDK has
        """The official client, told nothing but a base URL and a key."""
        return self.world.closing(
            openai.OpenAI(base_url=self.world.base_url, api_key=self.key, **options)
        )

    def anthropic(self, **options: Any) -> anthropic.Anthropic:  # noqa: ANN401 - as above
        """The same of Anthropic."""
        return self.world.closing(
            anthropic.Anthropic(base_url=self.world.anthropic_base_url, api_key=self.key, **options)
        )

    def post(
        self,
        path: str,
        body: object,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """Send JSON, or bytes as they are, without any SDK."""
        usual = {"authorization": f"Bearer {self.key}", "content-type": "application/json"}
        return self.world.ask("POST", path, body, {**usual, **(headers or {})})

    def chat(self, prompt: str, model: str = "flux-fast", **fields: Any) -> Answer:  # noqa: ANN401
        """Ask for a chat completion, without any SDK."""
        body = {"model": model, "messages": [{"role": "user", "content": prompt}], **fields}
        return self.post("/v1/chat/completions", body)

    def spend(self) -> cap_pb2.Spend:
        """The account's counters."""
        session = self.world.session
        request = cap_pb2.GetSpendRequest(account=self.name)
        answer: cap_pb2.GetSpendResponse = session.call(session.caps.GetSpend, request)
        return answer.spend

    def usage(self) -> usage_pb2.UsageSums:
        """What the ledger's entries of the open period sum up to."""
        session = self.world.session
        request = usage_pb2.GetUsageRequest(account=self.name)
        answer: usage_pb2.GetUsageResponse = session.call(session.usage.GetUsage, request)
        return answer.total

    def move_to(self, plan: str) -> None:
        """Change the account's plan."""
        self.world.apply(_account(self.name, plan))


class EdgeWorld:
    """The server, its clock and its simulator. Use `edge_world`."""

    def __init__(self, fleet: Fleet, clients: ExitStack) -> None:
        """Takes a fleet whose first server has an edge, and what closes clients at the end."""
        self._clients = clients
        facts = json.loads((fleet.folder / "server-0.json").read_text(encoding="utf-8"))
        self.base_url: str = facts["base_url"]
        self.anthropic_base_url: str = facts["anthropic_base_url"]
        self.log = fleet.servers[0].child.log
        self.pid = fleet.servers[0].child.pid
        self._fleet = fleet
        self.session: Session = fleet.servers[0].session()
        self._address = urlsplit(self.base_url).netloc
        host, _, port = self._address.rpartition(":")
        self.address = (host, int(port))
        self._simulator = urlsplit(facts["upstream_simulator"]).netloc

    @property
    def clock(self) -> SimulatedClock:
        """The simulated clock, of a world that has one."""
        return self._fleet.clock

    def customer(self, plan: str = "scale", *, payment_method: str = "card") -> Customer:
        """A new account."""
        name = f"customer-{next(_numbers)}"
        self.apply(_account(name, plan, payment_method))
        request = control_pb2.CreateKeyRequest(account=name, name="main")
        made: control_pb2.CreateKeyResponse = self.session.call(
            self.session.control.CreateKey, request
        )
        return Customer(self, name, made.secret)

    def closing(self, client: C) -> C:
        """Close an official client when the server ends."""
        self._clients.callback(client.close)
        return client

    def apply(self, *resources: control_pb2.Resource) -> None:
        """Apply resources."""
        request = control_pb2.ApplyRequest(resources=resources)
        self.session.call(self.session.control.Apply, request)

    def ask(
        self, method: str, path: str, body: object = None, headers: Mapping[str, str] = {}
    ) -> Answer:
        """Send a request to the server."""
        return ask_http(self._address, method, path, body, headers=headers)

    def counts(self) -> Json:
        """What the simulator did so far."""
        return ask_http(self._simulator, "GET", "/counts", headers={}).json


@contextmanager
def edge_world(
    *options: str, start_us: int | None = START_US, with_ledger: bool = False
) -> Iterator[EdgeWorld]:
    """Starts a server with edge and examples, and ends it.

    Args:
        options: Further ones of `fluxrouter serve`.
        start_us: Where a simulated clock begins; None takes the store's own clock.
        with_ledger: Whether a ledger is kept.
    """
    with running_fleet(servers=0, start_us=start_us) as fleet, ExitStack() as clients:
        if with_ledger:
            options = (*options, "--ledger-url", f"sqlite:///{fleet.folder}/ledger.sqlite3")
        fleet.start_server("--edge", "--examples", "--transport", "envoy", *options)
        yield EdgeWorld(fleet, clients)


def _account(name: str, plan: str, payment_method: str = "card") -> control_pb2.Resource:
    message = account_pb2.Account(api_version=API_VERSION, kind="Account")
    message.metadata.name = name
    message.spec.plan = plan
    message.spec.payment_method = payment_method
    message.spec.api_keys.add(name="main")
    return control_pb2.Resource(account=message)


def ask_http(
    address: str, method: str, path: str, body: object = None, *, headers: Mapping[str, str]
) -> Answer:
    """Send a request to `host:port`; what is no bytes is sent as JSON."""
    if body is not None and not isinstance(body, bytes):
        body = json.dumps(body).encode()
    connection = HTTPConnection(address, timeout=_TIMEOUT_SECONDS)
    try:
        connection.request(method, path, body, dict(headers))
        answer = connection.getresponse()
        found = {name.lower(): value for name, value in answer.getheaders()}
        return Answer(answer.status, found, answer.read())
    finally:
        connection.close()
