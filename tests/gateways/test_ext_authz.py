"""A gateway that exists already, asking before it passes requests on: caps of money are hard."""

from decimal import Decimal
from typing import Any

import grpc
import pytest

from fluxrouter.envoy.v3 import ext_authz_pb2
from fluxrouter.v1 import metering_pb2
from fluxrouter_testing.edge_world import Customer, EdgeWorld
from fluxrouter_testing.fleet import running_fleet
from fluxrouter_testing.gateway import PROVIDER_KEY, Gateway
from fluxrouter_testing.recording_upstream import Recorded, RecordingUpstream
from fluxrouter_testing.waiting import eventually

CHECK = "/envoy.service.auth.v3.Authorization/Check"
CHECK_ONLY = "/check-only/v1/chat/completions"


@pytest.fixture
def customer(world: EdgeWorld) -> Customer:
    return world.customer("free")


def spend_nearly_all(customer: Customer) -> None:
    """Leaves less of the account's dollar than a big answer may cost."""
    left = 10**9
    while left > 8000 * 4000:
        answer = customer.chat("[[simulate tokens=8000]]", max_tokens=8000)
        left = int(Decimal(answer.headers["x-flux-remaining-usd"]) * 10**9)
        customer.world.clock.advance(1.0)


def settle(customer: Customer, hold_id: str, *, output_tokens: int) -> metering_pb2.Receipt:
    usage = metering_pb2.Usage(input_tokens=3, output_tokens=output_tokens)
    request = metering_pb2.SettleRequest(hold_id=hold_id, usage=usage)
    session = customer.world.session
    answer: metering_pb2.SettleResponse = session.call(session.metering.Settle, request)
    return answer.receipt


def ask(gateway: Gateway, customer: Customer, provider: RecordingUpstream) -> Recorded:
    """Sends a request that is let through; returns what the provider got."""
    assert gateway.chat(customer, max_tokens=100).status == 200
    return provider.requests[-1]


def test_a_request_is_held_and_settled_by_a_later_call(
    gateway: Gateway, customer: Customer, provider: RecordingUpstream
) -> None:
    request = ask(gateway, customer, provider)
    hold_id = request.headers["x-flux-hold-id"]
    held = customer.spend().held_nano_usd
    assert held > 100 * 4000
    assert settle(customer, hold_id, output_tokens=1).billed_nano_usd == 3 * 1000 + 4000
    assert customer.spend().held_nano_usd == 0
    assert customer.spend().settled_nano_usd == 3 * 1000 + 4000
    assert settle(customer, hold_id, output_tokens=1).replayed


def test_the_provider_gets_its_own_credential_and_never_the_callers(
    gateway: Gateway, customer: Customer, provider: RecordingUpstream
) -> None:
    request = ask(gateway, customer, provider)
    assert request.headers["authorization"] == f"Bearer {PROVIDER_KEY}"
    assert customer.key not in str(request)
    assert request.headers["x-flux-model"] == "llama-3.1-8b"
    assert request.headers["x-flux-max-output-tokens"] == "100"


def test_the_caller_sees_who_answers_and_what_is_left(gateway: Gateway, customer: Customer) -> None:
    answer = gateway.chat(customer, max_tokens=100)
    assert answer.json["choices"][0]["message"]["content"] == "the provider"
    assert answer.headers["x-flux-model"] == "llama-3.1-8b"
    assert answer.headers["x-ratelimit-limit-requests"] == "1"
    assert float(answer.headers["x-flux-remaining-usd"]) < 1
    assert "x-flux-hold-id" not in answer.headers


@pytest.mark.parametrize("path", ["/v1/chat/completions", CHECK_ONLY])
def test_at_the_cap_the_gateway_answers_402_and_the_provider_is_not_asked(
    gateway: Gateway, customer: Customer, provider: RecordingUpstream, path: str
) -> None:
    spend_nearly_all(customer)
    asked = len(provider.requests)
    answer = gateway.chat(customer, "Hello " * 8000, path=path, max_tokens=8000)
    assert answer.status == 402
    assert answer.json["error"]["code"] == "cap_reached"
    assert answer.json["error"]["type"] == "insufficient_quota"
    assert answer.headers["x-should-retry"] == "false"
    assert len(provider.requests) == asked
    assert customer.spend().held_nano_usd == 0


def test_an_answer_that_would_have_to_shrink_is_refused_and_its_hold_given_back(
    gateway: Gateway, customer: Customer
) -> None:
    spend_nearly_all(customer)
    answer = gateway.chat(customer, max_tokens=8000)
    assert answer.status == 402
    granted = int(answer.json["error"]["granted_max_output_tokens"])
    assert 0 < granted < 8000
    assert customer.spend().held_nano_usd == 0
    customer.world.clock.advance(1.0)
    assert gateway.chat(customer, max_tokens=granted).status == 200


def test_check_only_holds_and_charges_nothing(
    gateway: Gateway, customer: Customer, provider: RecordingUpstream
) -> None:
    for _ in range(3):
        assert gateway.chat(customer, path=CHECK_ONLY).status == 200
    request = provider.requests[-1]
    assert request.headers["x-flux-model"] == "llama-3.1-8b"
    assert request.headers["authorization"] == f"Bearer {PROVIDER_KEY}"
    assert "x-flux-hold-id" not in request.headers
    assert customer.spend().held_nano_usd == customer.spend().settled_nano_usd == 0


def test_a_header_of_ours_cannot_be_forged(
    gateway: Gateway, customer: Customer, provider: RecordingUpstream
) -> None:
    forged = {"x-flux-hold-id": "somebody else's", "x-flux-account": "another"}
    assert gateway.chat(customer, path=CHECK_ONLY, headers=forged).status == 200
    assert not forged.keys() & provider.requests[-1].headers.keys()


def test_the_plans_rate_holds_at_the_gateway(gateway: Gateway, customer: Customer) -> None:
    assert gateway.chat(customer, max_tokens=5).status == 200
    second = gateway.chat(customer, max_tokens=5)
    assert second.status == 429
    assert second.headers["retry-after"] == "1"
    assert second.json["error"]["code"] == "rate_limited"


@pytest.mark.parametrize(
    "fields,refusal",
    [
        ({"model": "nothing"}, (404, "model_not_found")),
        ({"max_tokens": -1}, (400, "invalid_request")),
        ({"headers": {"authorization": "Bearer fr-x"}}, (401, "api_key_invalid")),
        ({"headers": {"authorization": ""}}, (401, "api_key_invalid")),
        ({"path": "/v1/files"}, (404, "not_found")),
    ],
)
def test_what_cannot_be_admitted_is_refused_in_shape(
    gateway: Gateway, customer: Customer, fields: dict[str, Any], refusal: tuple[int, str]
) -> None:
    answer = gateway.chat(customer, **fields)
    assert (answer.status, answer.json["error"]["code"]) == refusal


def test_a_request_of_one_idempotency_key_is_let_through_once(
    gateway: Gateway, customer: Customer, provider: RecordingUpstream
) -> None:
    key = {"idempotency-key": "once"}
    assert gateway.chat(customer, headers=key, max_tokens=5).status == 200
    hold_id = provider.requests[-1].headers["x-flux-hold-id"]
    again = gateway.chat(customer, headers=key, max_tokens=5)
    assert (again.status, again.json["error"]["code"]) == (409, "request_in_progress")
    settle(customer, hold_id, output_tokens=1)
    after = gateway.chat(customer, headers=key, max_tokens=5)
    assert (after.status, after.json["error"]["code"]) == (409, "request_already_answered")
    assert after.json["error"]["billed_usd"] == "0.000007"


def test_the_gateways_log_names_the_hold(
    gateway: Gateway, customer: Customer, provider: RecordingUpstream
) -> None:
    hold_id = ask(gateway, customer, provider).headers["x-flux-hold-id"]
    eventually(lambda: hold_id in gateway.log.read_text(encoding="utf-8"), 20)


@pytest.mark.parametrize("transport", ["grpc", "envoy"])
def test_both_transports_answer_gateways(transport: str) -> None:
    request = ext_authz_pb2.CheckRequest()
    request.attributes.request.http.path = "/v1/chat/completions"
    with (
        running_fleet(servers=1, options=("--transport", transport)) as fleet,
        grpc.insecure_channel(fleet.servers[0].address) as channel,
    ):
        check = channel.unary_unary(
            CHECK,
            request_serializer=ext_authz_pb2.CheckRequest.SerializeToString,
            response_deserializer=ext_authz_pb2.CheckResponse.FromString,
        )
        answer = check(request, timeout=10)
    assert answer.denied_response.status.code == 401
    assert "api_key_invalid" in answer.denied_response.body
