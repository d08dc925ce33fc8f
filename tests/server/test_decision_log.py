"""What a server keeps of its choices, where it was told to, and what becomes of it."""

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from fluxrouter.v1 import control_pb2, metering_pb2, router_pb2
from fluxrouter_server.cli.main import main
from fluxrouter_testing.customers import Connection, account, connected, plan
from fluxrouter_testing.fleet import running_fleet
from fluxrouter_testing.refusals import refused

pytestmark = pytest.mark.usefixtures("transport")

TEXT = "Hello there, tell me a story about a lighthouse."
USAGE = metering_pb2.Usage(input_tokens=10, output_tokens=10)


async def graded(server: Connection, model: str, percent: int) -> router_pb2.RouteResponse:
    """Routes a request, and settles it with a grade."""
    answer = await server.router.Route(
        router_pb2.RouteRequest(account="graded", model=model, text=TEXT, max_output_tokens=10)
    )
    await server.metering.Settle(
        metering_pb2.SettleRequest(hold_id=answer.hold_id, usage=USAGE, quality_percent=percent)
    )
    return answer


async def test_choices_and_grades_become_labels_without_a_word_of_the_prompt(
    tmp_path: Path, catalog: list[control_pb2.Resource]
) -> None:
    folder = tmp_path / "log"
    with running_fleet(servers=1, options=("--decision-log", str(folder))) as fleet:
        async with connected(fleet.servers[0].address) as server:
            await server.apply(*catalog, plan("graded", "1.00"), account("graded", "graded"))
            chosen = await graded(server, "flux-auto", 80)
            await graded(server, "flux-fast", 10)  # the tier was asked for: no choice
            wrong = metering_pb2.SettleRequest(
                hold_id=chosen.hold_id, usage=USAGE, quality_percent=101
            )
            refusal = await refused(server.metering.Settle(wrong))
    assert list(refusal.fields) == ["quality_percent"]
    written = "".join(file.read_text() for file in folder.iterdir())
    assert "lighthouse" not in written

    result = CliRunner().invoke(main, ["export-labels", str(folder)])
    assert result.exit_code == 0, result.output
    (row,) = map(json.loads, result.stdout.splitlines())
    assert row["hold_id"] == chosen.hold_id
    assert (row["fast"], row["standard"], row["reasoning"]) == (0.8, None, None)
    assert row["features"]["buckets"]


async def test_a_server_that_was_not_told_to_keeps_nothing(
    catalog: list[control_pb2.Resource],
) -> None:
    with running_fleet(servers=1) as fleet:
        async with connected(fleet.servers[0].address) as server:
            await server.apply(*catalog, plan("graded", "1.00"), account("graded", "graded"))
            await graded(server, "flux-auto", 80)
        assert not list(fleet.folder.rglob("*.jsonl"))
