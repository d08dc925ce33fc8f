"""The release as production has it: the store and PostgreSQL are others', named by Secrets."""

from collections.abc import Iterator
from contextlib import ExitStack
from hashlib import sha256

import pytest

from fluxrouter.v1 import control_pb2, metering_pb2, router_pb2, usage_pb2
from fluxrouter_server.cli.resource_files import read_resources
from fluxrouter_testing.chart import CHART
from fluxrouter_testing.chart_world import ChartWorld, running_chart
from fluxrouter_testing.postgres import running_postgres
from fluxrouter_testing.valkey import running_valkey
from fluxrouter_testing.waiting import eventually

_RESOURCES = CHART.parents[1] / "examples" / "resources"
_ACCOUNT = "default/scale-demo"
_SECRET = "sesame"  # its hash is all that the chart is told
_SECONDS = 30.0


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[ChartWorld]:
    caller = {
        "name": "platform",
        "scopes": ["control", "route", "meter", "read"],
        "sha256": sha256(_SECRET.encode()).hexdigest(),
    }
    with ExitStack() as stack:
        store = stack.enter_context(running_valkey(durable=True, with_tcp=True))
        database = stack.enter_context(running_postgres())
        ledger_url = database.url.set(drivername="postgresql").render_as_string(hide_password=False)
        started = running_chart(
            stack,
            tmp_path_factory.mktemp("world"),
            {
                "operator": {"enabled": False},
                "server": {"credentials": [caller]},
                "store": {"existingSecret": "store"},
                "ledger": {"existingSecret": "ledger"},
            },
            secrets_given={
                "store": {"url": f"valkey://127.0.0.1:{store.tcp_address.port}"},
                "ledger": {"url": ledger_url},
            },
        )
        session = started.session(_SECRET)
        request = control_pb2.ApplyRequest(resources=read_resources([str(_RESOURCES)]))
        session.call(session.control.Apply, request)
        yield started


def test_every_server_answers_usage_that_the_ledgers_pods_have_written(world: ChartWorld) -> None:
    session = world.session(_SECRET)
    hold = session.call(
        session.router.Route,
        router_pb2.RouteRequest(
            account=_ACCOUNT, model="flux-auto", input_tokens=1_000, max_output_tokens=10
        ),
    )
    usage = metering_pb2.Usage(input_tokens=1_000, output_tokens=5)
    settle = metering_pb2.SettleRequest(hold_id=hold.hold_id, usage=usage)
    session.call(session.metering.Settle, settle)

    def settled() -> list[str]:
        answer = session.call(
            session.usage.ListLedger, usage_pb2.ListLedgerRequest(account=_ACCOUNT)
        )
        return [entry.hold_id for entry in answer.entries if entry.kind == "settlement"]

    eventually(lambda: settled() == [hold.hold_id], _SECONDS)
