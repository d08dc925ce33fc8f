"""`Idempotency-Key`: one key, one charge, however often the request is sent."""

from concurrent.futures import ThreadPoolExecutor

import pytest

from fluxrouter_testing.edge_world import Answer, Customer, EdgeWorld


@pytest.fixture
def customer(world: EdgeWorld) -> Customer:
    return world.customer()


def send(customer: Customer, prompt: str, key: str) -> Answer:
    body = {"model": "llama-3.1-8b", "messages": [{"role": "user", "content": prompt}]}
    return customer.post("/v1/chat/completions", body, {"idempotency-key": key})


def test_a_replay_gets_the_receipt_and_never_reaches_an_upstream(customer: Customer) -> None:
    first = send(customer, "Hello", "k-1")
    requests = customer.world.counts()["requests"]
    again = send(customer, "Hello", "k-1")
    assert first.headers["x-flux-request-id"] == "k-1"
    assert again.status == 409
    assert again.headers["x-should-retry"] == "false"
    assert again.headers["x-flux-request-id"] == "k-1"
    assert again.json["error"]["code"] == "request_already_answered"
    assert again.json["error"]["billed_usd"] == first.headers["x-flux-cost-usd"]
    assert customer.world.counts()["requests"] == requests


def test_of_two_that_are_sent_at_once_one_is_answered(customer: Customer) -> None:
    with ThreadPoolExecutor(4) as pool:
        prompt = "Hello [[simulate delay=0.5]]"
        answers = list(pool.map(lambda _: send(customer, prompt, "k-2"), range(4)))
    assert sorted(answer.status for answer in answers) == [200, 409, 409, 409]
    assert customer.spend().settled_nano_usd < 2 * 26 * 4000


def test_a_retry_after_an_upstream_failed_is_a_new_attempt(customer: Customer) -> None:
    """The simulator fails by its prompt, so what fails here is another request of the same key."""
    assert send(customer, "[[simulate status=500]]", "k-3").status == 503
    assert send(customer, "[[simulate status=500]]", "k-3").status == 503
    assert customer.spend().settled_nano_usd == customer.spend().held_nano_usd == 0


def test_another_request_under_the_same_key_is_refused(customer: Customer) -> None:
    assert send(customer, "Hello", "k-4").status == 200
    other = send(customer, "Something else", "k-4")
    assert other.status == 400
    assert other.json["error"]["code"] == "request_id_reused"


@pytest.mark.parametrize("key", ["", "x" * 129])
def test_a_key_that_cannot_be_kept_is_refused(customer: Customer, key: str) -> None:
    assert send(customer, "Hello", key).status == 400
