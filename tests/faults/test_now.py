"""NOW: what is acknowledged is enforced by every server with its very next request."""

import grpc
import pytest

from fluxrouter.v1 import control_pb2, router_pb2
from fluxrouter_testing.customers import Connection, plan, reason_of
from fluxrouter_testing.customers import account as an_account

pytestmark = pytest.mark.timeout(60)


async def route(server: Connection, *, account: str = "", api_key: str = "") -> str:
    """Routes a small request; returns "" where it is admitted, else the reason why not."""
    request = router_pb2.RouteRequest(
        account=account,
        api_key=api_key,
        model="flux-fast",
        input_tokens=1000,
        max_output_tokens=1000,
    )
    try:
        await server.router.Route(request, timeout=5)
    except grpc.aio.AioRpcError as error:
        return reason_of(error)
    return ""


async def test_a_plan_change_is_enforced_by_every_server_at_once(
    servers: list[Connection],
) -> None:
    await servers[0].apply(plan("dollar", "1.00"), an_account("now", "dollar"))
    assert [await route(server, account="now") for server in servers] == [""] * 4

    for cap, expected in (("0.001", "CAP_REACHED"), ("1.00", ""), ("0.001", "CAP_REACHED")):
        await servers[0].apply(plan("dollar", cap))
        assert [await route(server, account="now") for server in servers] == [expected] * 4


async def test_a_suspension_is_enforced_and_lifted_by_every_server_at_once(
    servers: list[Connection],
) -> None:
    await servers[0].apply(plan("dollar", "1.00"), an_account("now", "dollar"))
    assert [await route(server, account="now") for server in servers] == [""] * 4

    await servers[1].apply(an_account("now", "dollar", suspended=True))
    assert [await route(server, account="now") for server in servers] == ["ACCOUNT_SUSPENDED"] * 4

    await servers[2].apply(an_account("now", "dollar"))
    assert [await route(server, account="now") for server in servers] == [""] * 4


async def test_a_revocation_is_enforced_by_every_server_at_once(
    servers: list[Connection],
) -> None:
    await servers[0].apply(plan("dollar", "1.00"), an_account("now", "dollar"))
    key = await servers[0].control.CreateKey(
        control_pb2.CreateKeyRequest(account="default/now", name="main")
    )
    assert [await route(server, api_key=key.secret) for server in servers] == [""] * 4

    await servers[3].control.RevokeKey(
        control_pb2.RevokeKeyRequest(account="default/now", name="main")
    )
    refused = [await route(server, api_key=key.secret) for server in servers]
    assert refused == ["API_KEY_INVALID"] * 4
