"""Upstreams of the catalog: who is called, with what, and what happens when they change."""

from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path

import pytest
import trustme

from fluxrouter.v1 import control_pb2
from fluxrouter_server.cli.resource_files import read_resources
from fluxrouter_testing.edge_world import Customer, EdgeWorld, edge_world
from fluxrouter_testing.recording_upstream import RecordingUpstream, recording_upstream
from fluxrouter_testing.waiting import eventually

CATALOG = Path(__file__).resolve().parents[2] / "examples" / "resources" / "catalog.yaml"
VARIABLE = "FLUXROUTER_UPSTREAM_TEST"
SECRET = "sk-the-providers-own-secret"
MODEL = "llama-3.1-8b"
# Who stands behind a catalog that does not describe it: nobody else may take its place.
OTHER = "gpt-mini"


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    """Who signs the upstreams' certificates."""
    return trustme.CA()


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder as Kubernetes mounts a Secret."""
    return tmp_path_factory.mktemp("secrets")


@pytest.fixture(scope="module")
def changing(
    authority: trustme.CA, secrets: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[EdgeWorld]:
    """A server whose catalog these tests change, on a machine that trusts the authority."""
    trusted = tmp_path_factory.mktemp("trusted") / "ca.pem"
    authority.cert_pem.write_to_path(str(trusted))
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv(VARIABLE, SECRET)
        patch.setenv("SSL_CERT_FILE", str(trusted))
        with edge_world("--upstream-credentials", str(secrets), "--zone", "here") as started:
            yield started


# A connection that Envoy kept may reach the upstream of an earlier test, so each has its own name.
_numbers = count(1)


@pytest.fixture
def one() -> Iterator[RecordingUpstream]:
    with recording_upstream(f"upstream {next(_numbers)}") as upstream:
        yield upstream


@pytest.fixture
def two() -> Iterator[RecordingUpstream]:
    with recording_upstream(f"upstream {next(_numbers)}") as upstream:
        yield upstream


def catalog(
    base_url: str, variable: str = VARIABLE, endpoints: Sequence[tuple[str, int, str]] = ()
) -> control_pb2.Resource:
    (resource,) = read_resources([str(CATALOG)])
    upstream = resource.catalog.spec.upstreams.add(
        name="open-models", base_url=base_url, credential_variable=variable
    )
    for address, weight, zone in endpoints:
        upstream.endpoints.add(address=address, weight=weight, zone=zone)
    for model in resource.catalog.spec.models:
        if model.id == MODEL:
            model.upstream_model = "meta/llama"
    return resource


def answered_by(customer: Customer) -> str | None:
    answer = customer.chat("Hello", model=MODEL)
    if answer.status != 200:
        return None
    return str(answer.json["choices"][0]["message"]["content"])


def until_answered_by(customer: Customer, upstream: RecordingUpstream) -> None:
    eventually(lambda: answered_by(customer) == upstream.name, 15)


def test_the_upstream_gets_our_credential_and_never_the_callers(
    changing: EdgeWorld, one: RecordingUpstream
) -> None:
    customer = changing.customer()
    changing.apply(catalog(f"{one.url}/api/v1"))
    until_answered_by(customer, one)
    answer = customer.chat("Hello", model=MODEL, max_tokens=50)
    request = one.requests[-1]
    assert request.path == "/api/v1/chat/completions"
    assert request.headers["authorization"] == f"Bearer {SECRET}"
    assert customer.key not in str(request)
    assert (request.body["model"], request.body["max_tokens"]) == ("meta/llama", 50)
    assert SECRET not in str(answer)
    assert "x-envoy" not in str(answer.headers)
    assert SECRET not in changing.log.read_text(encoding="utf-8")


def test_a_catalog_with_another_address_takes_effect_without_dropping_a_request(
    changing: EdgeWorld, one: RecordingUpstream, two: RecordingUpstream
) -> None:
    customer = changing.customer()
    changing.apply(catalog(one.url))
    until_answered_by(customer, one)
    before, one.delay_seconds = len(one.requests), 6.0
    with ThreadPoolExecutor(4) as pool:
        running = [pool.submit(answered_by, customer) for _ in range(4)]
        eventually(lambda: len(one.requests) == before + 4, 10)
        changing.apply(catalog(two.url))
        until_answered_by(customer, two)
        assert [answer.result() for answer in running] == [one.name] * 4
    assert customer.spend().held_nano_usd == 0


def test_an_upstream_without_its_credential_is_not_called(
    changing: EdgeWorld, one: RecordingUpstream
) -> None:
    customer = changing.customer()
    changing.apply(catalog(one.url, "FLUXROUTER_UPSTREAM_MISSING"))
    eventually(lambda: customer.chat("Hello", model=MODEL).status == 503, 15)
    one.requests.clear()
    assert customer.chat("Hello", model=MODEL).json["error"]["code"] == "no_healthy_model"
    assert one.requests == []
    assert customer.chat("Hello", model=OTHER).status == 200


def test_an_upstream_that_is_not_there_costs_nothing(
    changing: EdgeWorld, one: RecordingUpstream
) -> None:
    customer = changing.customer()
    changing.apply(catalog("http://127.0.0.1:9"))
    eventually(lambda: customer.chat("Hello", model=MODEL).status == 503, 15)
    assert customer.spend().held_nano_usd == 0
    assert customer.chat("Hello", model="flux-fast").headers["x-flux-model"] != MODEL
    changing.apply(catalog(one.url))
    until_answered_by(customer, one)


def test_an_upstream_that_takes_too_long_is_given_up_and_costs_nothing(
    changing: EdgeWorld, one: RecordingUpstream
) -> None:
    customer = changing.customer()
    hasty = catalog(one.url)
    hasty.catalog.spec.upstreams[0].timeout_seconds = 1
    changing.apply(hasty)
    until_answered_by(customer, one)
    settled = customer.spend().settled_nano_usd
    one.delay_seconds = 3.0
    # The same upstream may be called with its earlier timeout for a moment.
    eventually(lambda: customer.chat("Hello", model=MODEL).status == 504, 30)
    answer = customer.chat("Hello", model=MODEL)
    assert (answer.status, answer.json["error"]["code"]) in {
        (504, "upstream_timeout"),
        (503, "no_healthy_model"),  # it was slow too often
    }
    assert customer.spend().held_nano_usd == 0
    assert customer.spend().settled_nano_usd < settled + 10 * (3 * 1000 + 4000)


def test_an_upstream_is_called_by_tls_where_it_is_who_it_says(
    changing: EdgeWorld, authority: trustme.CA
) -> None:
    customer = changing.customer()
    with recording_upstream("tls", certificate=authority.issue_cert("localhost")) as upstream:
        changing.apply(catalog(f"{upstream.url}/v1"))
        until_answered_by(customer, upstream)
        assert upstream.requests[-1].headers["host"].startswith("localhost:")


@pytest.mark.parametrize("fault", ["another host's certificate", "an unknown authority"])
def test_no_credential_goes_to_an_upstream_that_cannot_show_who_it_is(
    changing: EdgeWorld, one: RecordingUpstream, authority: trustme.CA, fault: str
) -> None:
    customer = changing.customer()
    changing.apply(catalog(one.url))
    until_answered_by(customer, one)
    if fault == "an unknown authority":
        certificate = trustme.CA().issue_cert("localhost")
    else:
        certificate = authority.issue_cert("elsewhere.test")
    with recording_upstream("impostor", certificate=certificate) as upstream:
        changing.apply(catalog(upstream.url))
        eventually(lambda: customer.chat("Hello", model=MODEL).status == 503, 15)
        assert upstream.requests == []
    assert customer.spend().held_nano_usd == 0


def test_a_large_request_reaches_the_upstream_whole(
    changing: EdgeWorld, one: RecordingUpstream
) -> None:
    customer = changing.customer()
    changing.apply(catalog(one.url))
    until_answered_by(customer, one)
    words = "x" * 100_000
    assert customer.chat(words, model=MODEL).status == 200
    assert one.requests[-1].body["messages"][0]["content"] == words
    picture = "data:image/png;base64," + "A" * (6 * 1024 * 1024)
    parts = [{"type": "image_url", "image_url": {"url": picture}}]
    body = {"model": "gemini-flash", "messages": [{"role": "user", "content": parts}]}
    assert customer.post("/v1/chat/completions", body).status == 200


def address(upstream: RecordingUpstream) -> str:
    return upstream.url.removeprefix("http://")


def test_endpoints_share_the_requests_by_their_weights(
    changing: EdgeWorld, one: RecordingUpstream, two: RecordingUpstream
) -> None:
    customer = changing.customer()
    shares = [(address(one), 3, ""), (address(two), 1, "")]
    changing.apply(catalog("http://provider.test/v1", endpoints=shares))
    until_answered_by(customer, one)
    one.requests.clear()
    two.requests.clear()
    assert all(customer.chat("Hello", model=MODEL).status == 200 for _ in range(40))
    assert abs(len(one.requests) - 30) <= 2
    assert len(one.requests) + len(two.requests) == 40
    assert two.requests[-1].path == "/v1/chat/completions"
    assert two.requests[-1].headers["host"] == "provider.test"


def test_the_endpoint_of_the_servers_own_zone_is_called(
    changing: EdgeWorld, one: RecordingUpstream, two: RecordingUpstream
) -> None:
    customer = changing.customer()
    zones = [(address(one), 9, "elsewhere"), (address(two), 1, "here")]
    changing.apply(catalog("http://provider.test", endpoints=zones))
    until_answered_by(customer, two)
    assert {answered_by(customer) for _ in range(10)} == {two.name}
    assert one.requests == []


def test_another_zones_endpoint_is_called_where_that_of_its_own_cannot_be_reached(
    changing: EdgeWorld, one: RecordingUpstream
) -> None:
    customer = changing.customer()
    zones = [(address(one), 1, "elsewhere"), ("127.0.0.1:9", 1, "here")]
    changing.apply(catalog("http://provider.test", endpoints=zones))
    until_answered_by(customer, one)
    assert customer.spend().held_nano_usd == 0


def test_a_credential_of_a_mounted_secret_is_read_again_when_it_is_rotated(
    changing: EdgeWorld, one: RecordingUpstream, secrets: Path
) -> None:
    customer = changing.customer()
    file = secrets / "FLUXROUTER_UPSTREAM_MOUNTED"
    file.write_text("sk-first\n", encoding="utf-8")
    changing.apply(catalog(one.url, file.name))
    until_answered_by(customer, one)
    assert one.requests[-1].headers["authorization"] == "Bearer sk-first"
    file.write_text("sk-second\n", encoding="utf-8")

    def is_rotated() -> bool:
        assert answered_by(customer) == one.name  # meanwhile no request is dropped
        return one.requests[-1].headers["authorization"] == "Bearer sk-second"

    eventually(is_rotated, 15)
    assert "sk-second" not in changing.log.read_text(encoding="utf-8")
