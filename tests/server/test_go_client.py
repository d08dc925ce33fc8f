"""A client of another language finds and calls the services by reflection alone: ghz, in Go."""

import asyncio
import json

import pytest

from fluxrouter_testing.fleet import Server
from fluxrouter_testing.go_programs import GoMissing, go_program
from fluxrouter_testing.shop import Shop

CALLS = 200

pytestmark = pytest.mark.timeout(1200)  # the first time, ghz is built


async def test_a_go_client_routes_by_reflection(server: Server, shop: Shop) -> None:
    try:
        ghz = go_program("github.com/bojand/ghz/cmd/ghz", "v0.93.0")
    except GoMissing as error:
        pytest.skip(str(error))
    request = {
        "account": shop.account,
        "model": "flux-fast",
        "input_tokens": 10,
        "max_output_tokens": 10,
        "request_id": "ghz-{{.RequestNumber}}",
    }
    command = [str(ghz), "--insecure", "--format", "json", "--timeout", "10s"]
    call = ["--call", "fluxrouter.v1.RouterService/Route", "--data", json.dumps(request)]
    load = ["--total", str(CALLS), "--concurrency", "10", "--connections", "4"]
    running = await asyncio.create_subprocess_exec(
        *command, *call, *load, server.address, stdout=asyncio.subprocess.PIPE
    )
    said, _ = await running.communicate()
    report = json.loads(said)
    assert report["statusCodeDistribution"] == {"OK": CALLS}
    spend = await shop.connection.spend(shop.account)
    assert spend.in_flight == CALLS
