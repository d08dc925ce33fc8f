"""Bad input: each a clear error that names the field, and nothing changes."""

import asyncio
from collections.abc import AsyncIterator, Callable

import grpc
import pytest
from google.protobuf.json_format import ParseDict

from fluxrouter.v1 import control_pb2, metering_pb2
from fluxrouter_testing.customers import Connection, account, plan
from fluxrouter_testing.fleet import Server
from fluxrouter_testing.refusals import Refusal, refused
from fluxrouter_testing.shop import Shop

ROUTE = "/fluxrouter.v1.RouterService/Route"
PLAN = control_pb2.RESOURCE_KIND_PLAN
ACCOUNT = control_pb2.RESOURCE_KIND_ACCOUNT
MEGABYTE = 1 << 20
OTHERS_HOLD = "h1.7.1.mwuoj2c5.aaaaaaaaaaaaaaaa.3nokXlKRtBq_8Q_J.1"


async def apply(shop: Shop, *resources: control_pb2.Resource) -> Refusal:
    return await refused(shop.connection.apply(*resources))


def resource(kind: str, spec: dict[str, object], name: str = "bad") -> control_pb2.Resource:
    """A resource as a YAML file would have it."""
    document = {kind: {"metadata": {"name": name}, "spec": spec}}
    return ParseDict(document, control_pb2.Resource())


async def raw(shop: Shop, data: bytes, method: str = ROUTE) -> Refusal:
    """Sends bytes in place of a message."""
    return await refused(shop.connection.channel.unary_unary(method)(data))


@pytest.fixture(autouse=True)
async def nothing_changed(shop: Shop, server: Server) -> AsyncIterator[None]:
    """After each mistake nothing is held, no plan or account is new, and the server is well."""
    yield
    assert await shop.held_nano_usd() == 0
    for kind in (control_pb2.RESOURCE_KIND_PLAN, control_pb2.RESOURCE_KIND_ACCOUNT):
        request = control_pb2.GetRequest(kind=kind, names=["bad"])
        refusal = await refused(shop.connection.control.Get(request))
        assert refusal.reason == "RESOURCE_NOT_FOUND"
    assert server.child.process.poll() is None


PLAN_MISTAKES = {
    "spec.capUsd": {"capUsd": "-1.00"},
    "spec.hourlyCapUsd": {"capUsd": "1", "hourlyCapUsd": "one"},
    "spec.feeUsd": {"capUsd": "1", "feeUsd": "99999999999999999999"},
    "spec.includedCreditUsd": {"capUsd": "1", "includedCreditUsd": "1e9"},
    "spec.overage": {"capUsd": "1", "overage": "maybe"},
    "spec.enforcement": {"capUsd": "1", "enforcement": "ENFORCE"},
    "spec.lanes": {"capUsd": "1", "lanes": ["fast-lane"]},
    "spec.models": {"capUsd": "1", "models": ["gpt-17"]},
    "spec.rateLimits.requestsPerSecond": {"capUsd": "1", "rateLimits": {"requestsPerSecond": -1}},
    "spec.holds.expirySeconds": {"capUsd": "1", "holds": {"expirySeconds": 4000}},
    "spec.alertPercents": {"capUsd": "1", "alertPercents": [101]},
}


@pytest.mark.parametrize("field", PLAN_MISTAKES)
async def test_a_mistake_in_a_plan_is_named(shop: Shop, field: str) -> None:
    spec = {"includedCreditUsd": "1", **PLAN_MISTAKES[field]}
    refusal = await apply(shop, resource("plan", spec))
    assert (refusal.code, refusal.reason) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "INVALID_REQUEST",
    )
    assert any(name.startswith(f"resources[0].plan.{field}") for name in refusal.fields)


@pytest.mark.parametrize("amount", ["9007199.254740993", "10000000"])
async def test_a_cap_above_what_can_be_counted_exactly_is_refused(shop: Shop, amount: str) -> None:
    refusal = await apply(shop, resource("plan", {"capUsd": amount, "overage": "metered"}))
    assert "too large" in refusal.fields["resources[0].plan.spec.capUsd"]


async def test_a_plan_without_cap_and_ceiling_is_refused(shop: Shop) -> None:
    refusal = await apply(shop, resource("plan", {}))
    assert any("capUsd" in name for name in refusal.fields)


ACCOUNT_MISTAKES: dict[str, dict[str, object]] = {
    "spec.plan": {"plan": "no-such-plan"},
    "spec.billing.anchorDay": {"billing": {"anchorDay": 0}},
    "spec.billing.timeZone": {"billing": {"timeZone": "Mars/Olympus"}},
    "spec.paymentMethod": {"paymentMethod": "gold"},
    "spec.overrides.capUsd": {"overrides": {"capUsd": "-0.01"}},
    "spec.budgets[1].name": {
        "budgets": [
            {"name": "b", "matchLabels": {"a": "1"}, "capUsd": "1"},
            {"name": "b", "matchLabels": {"a": "2"}, "capUsd": "1"},
        ]
    },
    "spec.budgets[0].matchLabels": {"budgets": [{"name": "b", "capUsd": "1"}]},
    "spec.apiKeys[1].name": {"apiKeys": [{"name": "k"}, {"name": "k"}]},
    "spec.apiKeys[0].allowedModels": {"apiKeys": [{"name": "k", "allowedModels": ["gpt-17"]}]},
}


@pytest.mark.parametrize("field", ACCOUNT_MISTAKES)
async def test_a_mistake_in_an_account_is_named(shop: Shop, field: str) -> None:
    spec = {"plan": shop.plan, **ACCOUNT_MISTAKES[field]}
    refusal = await apply(shop, resource("account", spec))
    assert refusal.reason == "INVALID_REQUEST"
    assert any(name.startswith(f"resources[0].account.{field}") for name in refusal.fields)


@pytest.mark.parametrize("day", [-1, 0, 32, 2**31 - 1])
async def test_a_day_that_no_month_has_is_refused(shop: Shop, day: int) -> None:
    spec: dict[str, object] = {"plan": shop.plan, "billing": {"anchorDay": day}}
    refusal = await apply(shop, resource("account", spec))
    assert set(refusal.fields) == {"resources[0].account.spec.billing.anchorDay"}


@pytest.mark.parametrize("name", ["", "Bad", "bad name", "-bad", "x" * 64, "../bad"])
async def test_a_name_that_is_none_is_refused(shop: Shop, name: str) -> None:
    refusal = await apply(shop, resource("plan", {"capUsd": "1", "includedCreditUsd": "1"}, name))
    assert set(refusal.fields) == {"resources[0].plan.metadata.name"}


async def test_one_mistake_keeps_all_the_others_back(shop: Shop) -> None:
    refusal = await apply(shop, plan("bad", "1.00"), resource("plan", {"capUsd": "x"}, "worse"))
    assert all(name.startswith("resources[1]") for name in refusal.fields)


async def test_the_same_resource_twice_is_refused(shop: Shop) -> None:
    refusal = await apply(shop, plan("bad", "1.00"), plan("bad", "2.00"))
    assert any(name.startswith("resources[1]") for name in refusal.fields)


async def test_a_catalog_with_an_unknown_lane_and_twice_the_same_id_is_refused(
    shop: Shop, catalog: list[control_pb2.Resource]
) -> None:
    changed = control_pb2.Resource()
    changed.CopyFrom(catalog[0])
    changed.catalog.spec.models[0].lane = "slow-lane"
    changed.catalog.spec.models.append(changed.catalog.spec.models[1])
    last = len(changed.catalog.spec.models) - 1
    refusal = await apply(shop, changed)
    assert f"resources[0].catalog.spec.models[{last}].id" in refusal.fields


async def test_an_empty_resource_is_named(shop: Shop) -> None:
    assert set((await apply(shop, control_pb2.Resource())).fields) == {"resources[0]"}


async def test_another_kind_in_the_place_of_ours_is_named(shop: Shop) -> None:
    wrong = plan("bad", "1.00")
    wrong.plan.kind, wrong.plan.api_version = "Pod", "v1"
    assert set((await apply(shop, wrong)).fields) == {
        "resources[0].plan.kind",
        "resources[0].plan.apiVersion",
    }


ROUTE_MISTAKES: dict[str, dict[str, object]] = {
    "model": {"model": ""},
    "request_id": {"request_id": "x" * 129},
    "attempt": {"attempt": -1},
    "input_tokens": {"input_tokens": -1},
    "max_output_tokens": {"max_output_tokens": 0},
    "choices": {"choices": 129},
    "images": {"images": -1},
    "capabilities[0]": {"capabilities": ["mind-reading"]},
    "protocol": {"protocol": "gopher"},
    "tier": {"tier": "turbo"},
    "labels": {"labels": {f"label-{number}": "x" for number in range(17)}},
    "account": {"account": "a/b/c"},
}


@pytest.mark.parametrize("field", ROUTE_MISTAKES)
async def test_a_mistake_in_a_request_is_named(shop: Shop, field: str) -> None:
    refusal = await refused(shop.route(**ROUTE_MISTAKES[field]))
    assert (refusal.code, refusal.reason) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "INVALID_REQUEST",
    )
    assert field in refusal.fields


async def test_a_request_for_nobody_says_how_to_name_somebody(shop: Shop) -> None:
    assert set((await refused(shop.route(account=""))).fields) == {"account"}


async def test_huge_counts_are_refused_before_they_are_multiplied(shop: Shop) -> None:
    refusal = await refused(shop.route(input_tokens=2**62, max_output_tokens=2**62, choices=128))
    assert {"input_tokens", "max_output_tokens"} <= set(refusal.fields)


async def test_empty_text_is_a_request_like_any_other(shop: Shop) -> None:
    hold = await shop.route(text="", input_tokens=None)
    assert hold.input_tokens == 0
    await shop.settle(hold.hold_id, output_tokens=0)


async def test_huge_text_is_counted_in_full(shop: Shop) -> None:
    refusal = await refused(shop.route(text="x" * (3 * MEGABYTE), input_tokens=None))
    assert refusal.reason in {"CONTEXT_TOO_LONG", "CAP_REACHED"}


async def test_text_that_is_not_utf_8_is_named(shop: Shop) -> None:
    data = shop.request(text="XX").SerializeToString().replace(b"XX", b"\xc3\x28")
    refusal = await raw(shop, data)
    assert refusal.fields == {"text": "is not UTF-8 from byte 0 on"}


@pytest.mark.parametrize("data", [b"\xff", b"\x0a\x7fshort", b"hello world"])
async def test_bytes_that_are_no_message_are_refused(shop: Shop, data: bytes) -> None:
    refusal = await raw(shop, data)
    assert (refusal.code, refusal.reason) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "INVALID_REQUEST",
    )


async def test_a_request_of_ten_megabytes_names_its_largest_field(shop: Shop) -> None:
    refusal = await refused(shop.route(text="x" * (10 * MEGABYTE)))
    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    assert set(refusal.fields) == {"text"}
    assert "4194304" in refusal.fields["text"]


async def test_a_request_that_is_larger_still_is_refused_unread(shop: Shop) -> None:
    refusal = await refused(shop.route(text="x" * (20 * MEGABYTE)))
    assert refusal.code is grpc.StatusCode.RESOURCE_EXHAUSTED


async def test_a_method_that_nobody_serves_is_unimplemented(shop: Shop) -> None:
    refusal = await raw(shop, b"", "/fluxrouter.v1.RouterService/Teleport")
    assert refusal.code is grpc.StatusCode.UNIMPLEMENTED


MALFORMED_KEYS: dict[str, Callable[[str], str]] = {
    "nonsense": lambda _: "nonsense",
    "cut off": lambda key: key[:-1],
    "one character wrong": lambda key: key[:-1] + ("a" if key[-1] != "a" else "b"),
    "in capitals": str.upper,
    "of nobody": lambda key: key.replace(key[3:19], "a" * 16),
    "huge": lambda key: key * 1000,
}


@pytest.mark.parametrize("mistake", MALFORMED_KEYS)
async def test_a_malformed_key_is_refused_and_not_repeated(shop: Shop, mistake: str) -> None:
    key = MALFORMED_KEYS[mistake](await shop.create_key())
    refusal = await refused(shop.route(account="", api_key=key))
    assert (refusal.code, refusal.reason) == (
        grpc.StatusCode.UNAUTHENTICATED,
        "API_KEY_INVALID",
    )
    assert key not in refusal.message


async def test_a_request_id_with_another_body_is_refused(shop: Shop) -> None:
    hold = await shop.route(request_id="r")
    refusal = await refused(shop.route(request_id="r", max_output_tokens=99))
    assert (refusal.code, refusal.reason) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "REQUEST_ID_REUSED",
    )
    await shop.settle(hold.hold_id, output_tokens=0)


@pytest.mark.parametrize("hold_id", ["", "h1", "x" * 5000, OTHERS_HOLD.replace("h1", "h9")])
async def test_a_hold_id_that_is_none_is_named(shop: Shop, hold_id: str) -> None:
    request = metering_pb2.SettleRequest(hold_id=hold_id, usage={})
    refusal = await refused(shop.connection.metering.Settle(request))
    assert set(refusal.fields) == {"hold_id"}


async def test_a_hold_of_an_account_that_never_was_is_not_found(shop: Shop) -> None:
    request = metering_pb2.SettleRequest(hold_id=OTHERS_HOLD, usage={})
    refusal = await refused(shop.connection.metering.Settle(request))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "HOLD_NOT_FOUND")


async def test_negative_and_absurd_usage_is_refused_and_the_hold_stays(shop: Shop) -> None:
    hold = await shop.route()
    usage = metering_pb2.Usage(input_tokens=-1, output_tokens=2**62, reasoning_tokens=5)
    request = metering_pb2.SettleRequest(hold_id=hold.hold_id, usage=usage)
    refusal = await refused(shop.connection.metering.Settle(request))
    assert {"usage.input_tokens", "usage.output_tokens"} <= set(refusal.fields)
    assert await shop.held_nano_usd() == hold.held_nano_usd
    await shop.settle(hold.hold_id, output_tokens=0)


CONTROL_MISTAKES: dict[str, Callable[[Connection], object]] = {
    "kind": lambda to: to.control.List(control_pb2.ListRequest()),
    "page_size": lambda to: to.control.List(control_pb2.ListRequest(kind=PLAN, page_size=-1)),
    "page_token": lambda to: to.control.List(control_pb2.ListRequest(kind=PLAN, page_token="?")),
    "names": lambda to: to.control.Get(control_pb2.GetRequest(kind=PLAN)),
    "names[0]": lambda to: to.control.Delete(control_pb2.DeleteRequest(kind=ACCOUNT, names=["A"])),
    "account": lambda to: to.control.CreateKey(control_pb2.CreateKeyRequest(name="k")),
    "scopes": lambda to: to.control.CreateServiceCredential(
        control_pb2.CreateServiceCredentialRequest(name="s")
    ),
}


@pytest.mark.parametrize("field", CONTROL_MISTAKES)
async def test_a_mistake_in_a_control_request_is_named(shop: Shop, field: str) -> None:
    refusal = await refused(CONTROL_MISTAKES[field](shop.connection))  # type: ignore[arg-type]
    assert refusal.reason == "INVALID_REQUEST"
    assert field in refusal.fields


async def test_the_server_goes_on_after_a_flood_of_junk(shop: Shop) -> None:
    junk = (raw(shop, bytes([number % 256]) * number) for number in range(200))
    refusals = await asyncio.gather(*junk)
    assert {refusal.code for refusal in refusals} <= {
        grpc.StatusCode.INVALID_ARGUMENT,
        grpc.StatusCode.NOT_FOUND,
    }
    await shop.connection.apply(account(shop.account, shop.plan))
