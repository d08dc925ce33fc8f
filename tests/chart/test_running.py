"""What the release names runs: from a rendered pod to a denial at the cap.

Pods are processes of this machine, started from the very commands, environment and files that the
installed objects name; helm and the API server are real.
"""

import base64
import json
import ssl
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack

import pytest

from fluxrouter.v1 import cap_pb2, metering_pb2, router_pb2
from fluxrouter_server.cli.session import CallRefused
from fluxrouter_testing.chart import CHART
from fluxrouter_testing.chart_world import ChartWorld, running_chart
from fluxrouter_testing.recording_upstream import RecordingUpstream, recording_upstream
from fluxrouter_testing.waiting import eventually

_RESOURCES = CHART.parents[1] / "examples" / "resources"
_ACCOUNTS = ("free-demo", "builder-demo", "scale-demo")
_SECONDS = 60.0
_VARIABLE = "FLUXROUTER_UPSTREAM_ALL"
_NANO_USD_PER_TOKEN = 1_000  # input in the express lane, as the examples price it


@pytest.fixture(scope="module")
def upstream() -> Iterator[RecordingUpstream]:
    """Stands for all providers."""
    with recording_upstream("because") as started:
        yield started


@pytest.fixture(scope="module")
def world(
    tmp_path_factory: pytest.TempPathFactory, upstream: RecordingUpstream
) -> Iterator[ChartWorld]:
    """The trial with the example resources, all of them in force."""
    with ExitStack() as stack:
        started = running_chart(
            stack,
            tmp_path_factory.mktemp("world"),
            {"server": {"edge": {"upstreamSecrets": ["providers"]}}},
            secrets_given={"providers": {_VARIABLE: "sesame"}},
        )
        started.api.kubectl("apply", "-f", str(_RESOURCES))
        names = ("open-models", "google", "openai", "anthropic")
        upstreams = [
            {"name": name, "baseUrl": upstream.url, "credentialVariable": _VARIABLE}
            for name in names
        ]
        patch = json.dumps({"spec": {"upstreams": upstreams}})
        started.api.kubectl("patch", "catalog", "default", "--type=merge", "-p", patch)
        eventually(lambda: all(_is_ready(started, name) for name in _ACCOUNTS), _SECONDS)
        yield started


def _is_ready(world: ChartWorld, name: str) -> bool:
    status = world.api.get("account", name).get("status", {})
    conditions = {item["type"]: item["status"] for item in status.get("conditions", ())}
    return conditions.get("Ready") == "True"


def _key(world: ChartWorld, secret: str) -> str:
    data = world.api.get("secret", secret)["data"]
    return base64.b64decode(data["api-key"]).decode()


def _chat(world: ChartWorld, key: str) -> tuple[int, str]:
    """Asks the edge as an OpenAI client would; returns the status and the error's code."""
    body = {"model": "flux-auto", "messages": [{"role": "user", "content": "Why is it blue?"}]}
    request = urllib.request.Request(
        f"https://{world.address}/v1/chat/completions",
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {key}", "Content-Type": "application/json"},
    )
    context = ssl.create_default_context(cafile=str(world.authority))
    try:
        with urllib.request.urlopen(request, context=context, timeout=10) as answer:
            return answer.status, ""
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)["error"]["code"]


def _spend(world: ChartWorld, key: str) -> str:
    """Routes and settles what is left, as far as one request can; returns a denial's reason."""
    session = world.session(key)
    left = session.call(session.caps.GetSpend, cap_pb2.GetSpendRequest()).spend.headroom_nano_usd
    tokens = max(1_000, min(900_000, left // _NANO_USD_PER_TOKEN - 4))
    try:
        hold = session.call(
            session.router.Route,
            router_pb2.RouteRequest(model="gemini-flash", input_tokens=tokens, max_output_tokens=1),
        )
    except CallRefused as refused:
        return refused.reason
    usage = metering_pb2.Usage(input_tokens=tokens, output_tokens=1)
    settle = metering_pb2.SettleRequest(hold_id=hold.hold_id, usage=usage)
    session.call(session.metering.Settle, settle)
    return ""


def test_helm_test_routes_and_settles(world: ChartWorld) -> None:
    code, log = world.run_test()

    assert code == 0, log
    assert "the account was charged exactly that" in log


def test_the_free_plan_ends_at_its_cap_over_grpc_and_http(
    world: ChartWorld, upstream: RecordingUpstream
) -> None:
    key = _key(world, "free-demo-key")
    eventually(lambda: _chat(world, key) == (200, ""), _SECONDS)
    assert upstream.requests[-1].headers["authorization"] == "Bearer sesame"

    reasons = set()

    def is_stopped() -> bool:
        reasons.add(_spend(world, key))
        return "CAP_REACHED" in reasons

    eventually(is_stopped, _SECONDS)
    assert reasons <= {"", "RATE_LIMITED", "CAP_REACHED"}
    eventually(lambda: _chat(world, key) == (402, "cap_reached"), _SECONDS)
