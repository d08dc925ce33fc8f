import pytest

from fluxrouter.v1 import router_pb2
from fluxrouter_server.api.wire_requests import read_account_ref, read_named_account, read_query
from fluxrouter_server.domain.catalog import Capability, Protocol, Tier
from fluxrouter_server.domain.denials import Denial
from fluxrouter_server.domain.ids import AccountName
from fluxrouter_server.domain.requests import RouteQuery
from fluxrouter_server.services.callers import OWN_ACCOUNT, AccountRef


def fields(answer: object) -> list[str]:
    """The fields that a refusal names."""
    assert isinstance(answer, Denial)
    return [violation.field for violation in answer.violations]


def test_zero_stands_for_one_where_the_contract_says_so() -> None:
    assert read_query(router_pb2.RouteRequest(model="m")) == RouteQuery(model="m")


def test_a_count_of_zero_is_not_taken_for_an_absent_one() -> None:
    query = read_query(router_pb2.RouteRequest(model="m", input_tokens=0, max_output_tokens=0))
    assert isinstance(query, RouteQuery)
    assert (query.input_tokens, query.max_output_tokens) == (0, 0)


def test_everything_that_was_asked_for_is_read() -> None:
    message = router_pb2.RouteRequest(
        model="flux-auto",
        request_id="r",
        attempt=2,
        text="t",
        images=3,
        choices=4,
        capabilities=["tools", "vision"],
        protocol="messages",
        labels={"team": "search"},
        tier="reasoning",
    )
    assert read_query(message) == RouteQuery(
        model="flux-auto",
        request_id=message.request_id,
        attempt=2,
        text="t",
        images=3,
        choices=4,
        capabilities=frozenset({Capability.TOOLS, Capability.VISION}),
        protocol=Protocol.MESSAGES,
        labels={"team": "search"},
        tier=Tier.REASONING,
    )


def test_unknown_words_are_all_named() -> None:
    message = router_pb2.RouteRequest(
        model="m", capabilities=["tools", "magic"], protocol="smtp", tier="huge"
    )
    assert fields(read_query(message)) == ["capabilities[1]", "protocol", "tier"]


@pytest.mark.parametrize("text, name", [("demo", "default/demo"), ("team/demo", "team/demo")])
def test_a_bare_name_is_an_account_of_the_default_namespace(text: str, name: str) -> None:
    assert read_account_ref(text, "") == AccountRef(name=AccountName(name))
    assert read_named_account(text) == name


@pytest.mark.parametrize("text", ["a/b/c", "/a", "a/", "UPPER", "a b", "x" * 200])
def test_what_is_no_name_is_refused_before_anybody_looks_for_it(text: str) -> None:
    assert fields(read_account_ref(text, "")) == ["account"]
    assert fields(read_named_account(text)) == ["account"]


def test_a_request_names_its_account_once() -> None:
    assert fields(read_account_ref("demo", "fr-key")) == ["api_key"]
    assert read_account_ref("", "fr-key") == AccountRef(api_key="fr-key")
    assert read_account_ref("", "") == OWN_ACCOUNT
