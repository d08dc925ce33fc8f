"""Who may do what: API keys, service credentials, and nobody without either."""

from collections.abc import AsyncIterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any

import grpc
import pytest

from fluxrouter.v1 import cap_pb2, control_pb2, metering_pb2, router_pb2
from fluxrouter_testing.customers import Connection, account, connected, plan
from fluxrouter_testing.fleet import Fleet, Server
from fluxrouter_testing.refusals import refusal_of, refused
from fluxrouter_testing.shop import Shop
from fluxrouter_testing.waiting import eventually_async

ADMIN = "an-admin-secret-of-the-settings"
Metadata = Sequence[tuple[str, str]]


def bearing(secret: str) -> Metadata:
    return (("authorization", f"Bearer {secret}"),)


@pytest.fixture(scope="module")
def closed(fleet: Fleet, tmp_path_factory: pytest.TempPathFactory) -> Server:
    """A second server on the same store, which lets in nobody without a credential."""
    path: Path = tmp_path_factory.mktemp("credentials") / "credentials.yaml"
    digest = sha256(ADMIN.encode()).hexdigest()
    path.write_text(f"- {{name: admin, scopes: [control, read], sha256: {digest}}}\n")
    return fleet.start_server("--credentials-file", str(path))


@pytest.fixture
async def door(closed: Server) -> AsyncIterator[Connection]:
    """A connection to that server."""
    async with connected(closed.address) as connection:
        yield connection


async def credential(shop: Shop, *scopes: str) -> str:
    """Makes a service credential with these scopes and returns its secret."""
    name = f"{shop.account}-{'-'.join(scopes)}"
    request = control_pb2.CreateServiceCredentialRequest(name=name, scopes=scopes)
    return (await shop.connection.control.CreateServiceCredential(request)).secret


def calls(to: Connection, shop: Shop, hold_id: str, secret: str) -> dict[str, Any]:
    """A harmless call for each kind of access, not awaited."""
    headers = bearing(secret)
    return {
        "route": to.router.Route(shop.request(), metadata=headers),
        "meter": to.metering.Settle(
            metering_pb2.SettleRequest(hold_id=hold_id, usage={}), metadata=headers
        ),
        "read": to.caps.GetSpend(cap_pb2.GetSpendRequest(account=shop.account), metadata=headers),
        "look": to.control.List(
            control_pb2.ListRequest(kind=control_pb2.RESOURCE_KIND_PLAN), metadata=headers
        ),
        "control": to.control.Apply(control_pb2.ApplyRequest(), metadata=headers),
    }


async def outcome(call: Any) -> str:  # noqa: ANN401 - of any method
    """The reason of its refusal, or `answered`."""
    try:
        await call
    except grpc.aio.AioRpcError as error:
        return refusal_of(error).reason
    return "answered"


@pytest.mark.parametrize(
    "scope, answered",
    [
        ("route", {"route"}),
        ("meter", {"meter"}),
        ("read", {"read", "look"}),
        ("control", {"look", "control"}),
    ],
)
async def test_a_scope_opens_its_methods_and_no_others(
    shop: Shop, door: Connection, scope: str, answered: set[str]
) -> None:
    hold = await shop.route()  # made by another principal
    made = calls(door, shop, hold.hold_id, await credential(shop, scope))
    outcomes = {name: await outcome(call) for name, call in made.items()}
    assert {name for name, what in outcomes.items() if what == "answered"} == answered
    refusals = {what for what in outcomes.values() if what != "answered"}
    assert refusals <= {"SCOPE_MISSING", "HOLD_NOT_YOURS"}


async def test_a_missing_scope_is_named(shop: Shop, door: Connection) -> None:
    secret = await credential(shop, "read")
    refusal = await refused(
        door.control.Apply(control_pb2.ApplyRequest(), metadata=bearing(secret))
    )
    assert refusal.code is grpc.StatusCode.PERMISSION_DENIED
    assert refusal.facts == {"scope": "control"}


@pytest.mark.parametrize(
    "metadata",
    [
        (),
        bearing("nonsense"),
        bearing(""),
        (("authorization", "Basic YTpi"),),
        bearing(f"{ADMIN}x"),
        bearing("fs-ghost-" + "a" * 32 + "-aaaaaaa"),
    ],
)
async def test_nobody_gets_in_without_a_credential_that_is_known(
    shop: Shop, door: Connection, metadata: Metadata
) -> None:
    refusal = await refused(door.router.Route(shop.request(), metadata=metadata))
    assert (refusal.code, refusal.reason) == (
        grpc.StatusCode.UNAUTHENTICATED,
        "CREDENTIAL_INVALID",
    )


async def test_a_credential_of_the_settings_gets_in(shop: Shop, door: Connection) -> None:
    request = cap_pb2.GetSpendRequest(account=shop.account)
    answer = await door.caps.GetSpend(request, metadata=bearing(ADMIN))
    assert answer.spend.account == f"default/{shop.account}"


async def test_a_credential_that_was_ended_is_refused(shop: Shop, door: Connection) -> None:
    secret = await credential(shop, "read")
    request = cap_pb2.GetSpendRequest(account=shop.account)
    await door.caps.GetSpend(request, metadata=bearing(secret))
    await shop.connection.control.RevokeServiceCredential(
        control_pb2.RevokeServiceCredentialRequest(name=f"{shop.account}-read")
    )

    async def is_refused() -> bool:
        call = door.caps.GetSpend(request, metadata=bearing(secret))
        return await outcome(call) == "CREDENTIAL_INVALID"

    await eventually_async(is_refused, timeout_seconds=2.0)


async def test_credentials_are_listed_without_their_secrets(shop: Shop) -> None:
    secret = await credential(shop, "route", "meter")
    request = control_pb2.ListServiceCredentialsRequest()
    answer = await shop.connection.control.ListServiceCredentials(request)
    listed = {item.name: list(item.scopes) for item in answer.credentials}
    assert listed[f"{shop.account}-route-meter"] == ["meter", "route"]
    assert secret.encode() not in answer.SerializeToString()


async def test_an_api_key_acts_for_its_own_account(shop: Shop, door: Connection) -> None:
    headers = bearing(await shop.create_key())
    hold = await door.router.Route(shop.request(account=""), metadata=headers)
    await door.router.ListModels(router_pb2.ListModelsRequest(), metadata=headers)
    spend = (await door.caps.GetSpend(cap_pb2.GetSpendRequest(), metadata=headers)).spend
    assert spend.account == f"default/{shop.account}"
    settle = metering_pb2.SettleRequest(hold_id=hold.hold_id, usage={"output_tokens": 1})
    assert (await door.metering.Settle(settle, metadata=headers)).receipt.billed_nano_usd == 4000


async def test_an_api_key_does_not_act_for_another_account(shop: Shop, door: Connection) -> None:
    headers = bearing(await shop.create_key())
    await shop.connection.apply(account("neighbour", shop.plan))
    for name in ("neighbour", "nobody"):
        refusal = await refused(door.router.Route(shop.request(account=name), metadata=headers))
        assert (refusal.code, refusal.reason) == (
            grpc.StatusCode.PERMISSION_DENIED,
            "SCOPE_MISSING",
        )


async def test_an_api_key_controls_nothing(shop: Shop, door: Connection) -> None:
    headers = bearing(await shop.create_key())
    request = control_pb2.ApplyRequest(resources=[plan("bad", "1.00")])
    assert (await refused(door.control.Apply(request, metadata=headers))).reason == "SCOPE_MISSING"


async def test_somebody_elses_hold_is_neither_settled_nor_released_nor_enlarged(
    shop: Shop, door: Connection
) -> None:
    hold = await shop.route()
    headers = bearing(await shop.create_key())
    metering = door.metering
    attempts = (
        metering.Settle(
            metering_pb2.SettleRequest(hold_id=hold.hold_id, usage={}), metadata=headers
        ),
        metering.Release(metering_pb2.ReleaseRequest(hold_id=hold.hold_id), metadata=headers),
        metering.Extend(
            metering_pb2.ExtendRequest(hold_id=hold.hold_id, max_output_tokens=200),
            metadata=headers,
        ),
    )
    for attempt in attempts:
        refusal = await refused(attempt)
        assert (refusal.code, refusal.reason) == (
            grpc.StatusCode.PERMISSION_DENIED,
            "HOLD_NOT_YOURS",
        )
    assert await shop.held_nano_usd() == hold.held_nano_usd


async def test_a_meter_may_settle_the_hold_of_anybody(shop: Shop, door: Connection) -> None:
    hold = await shop.route()
    headers = bearing(await credential(shop, "meter"))
    request = metering_pb2.SettleRequest(hold_id=hold.hold_id, usage={"output_tokens": 1})
    assert (await door.metering.Settle(request, metadata=headers)).receipt.billed_nano_usd == 4000


async def test_a_revoked_keys_live_hold_can_still_be_settled(shop: Shop, door: Connection) -> None:
    headers = bearing(await shop.create_key())
    hold = await door.router.Route(shop.request(account=""), metadata=headers)
    await shop.connection.control.RevokeKey(
        control_pb2.RevokeKeyRequest(account=shop.account, name="main")
    )
    refusal = await refused(door.router.Route(shop.request(account=""), metadata=headers))
    assert refusal.reason == "API_KEY_INVALID"
    settle = metering_pb2.SettleRequest(hold_id=hold.hold_id, usage={"output_tokens": 1})
    assert (await door.metering.Settle(settle, metadata=headers)).receipt.billed_nano_usd == 4000
