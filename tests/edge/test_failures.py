"""What goes wrong upstream: each ends the hold once, with the right amount, and says what happened.

The simulator does wrong what the prompt directs; see its script.
"""

import time

import openai
import pytest

from fluxrouter_testing.edge_world import Customer, EdgeWorld
from fluxrouter_testing.waiting import eventually

FIRST = "llama-3.1-8b"
SECOND = "gemini-flash"


@pytest.fixture
def customer(world: EdgeWorld) -> Customer:
    """Somebody who comes when the upstreams are in use, whatever an earlier test did to them."""
    other = world.customer()
    for model in (FIRST, SECOND, "gpt-mini"):
        eventually(lambda model=model: other.chat("Hello", model=model).status == 200, 30)
    return world.customer()


@pytest.mark.parametrize("fault", ["status=500", "status=429", "fault=error", "fault=reset"])
def test_a_model_that_fails_before_its_first_byte_gives_way_to_the_next(
    customer: Customer, fault: str
) -> None:
    answer = customer.chat(f"[[simulate {fault} for={FIRST} tokens=10]]")
    assert answer.status == 200, answer.body
    assert answer.headers["x-flux-model"] == SECOND
    spend = customer.spend()
    assert spend.held_nano_usd == 0
    assert spend.settled_nano_usd == answer.json["usage"]["prompt_tokens"] * 1000 + 10 * 4000


@pytest.mark.parametrize("fault", ["status=503", "fault=error", "fault=garbage", "fault=reset"])
def test_a_streamed_answer_gives_way_before_its_first_event_too(
    customer: Customer, fault: str
) -> None:
    prompt = f"[[simulate {fault} for={FIRST} tokens=10]]"
    stream = customer.openai().chat.completions.create(
        model="flux-fast", messages=[{"role": "user", "content": prompt}], stream=True
    )
    assert {chunk.model for chunk in stream} == {SECOND}
    assert customer.spend().held_nano_usd == 0


def test_where_no_model_is_left_the_caller_is_told_and_nothing_is_charged(
    customer: Customer,
) -> None:
    answer = customer.chat("[[simulate status=500]]", model=FIRST)
    assert answer.status == 503
    assert answer.json["error"]["code"] == "no_healthy_model"
    assert answer.headers["retry-after"] == "1"
    assert customer.spend().settled_nano_usd == customer.spend().held_nano_usd == 0


def test_the_sdk_raises_its_own_error_and_retries_what_may_succeed(customer: Customer) -> None:
    with pytest.raises(openai.InternalServerError) as raised:
        customer.openai(max_retries=1).chat.completions.create(
            model=FIRST, messages=[{"role": "user", "content": "[[simulate status=500]]"}]
        )
    assert raised.value.code == "no_healthy_model"
    assert raised.value.request.headers["x-stainless-retry-count"] == "1"


def test_a_request_that_the_upstream_finds_wrong_is_refused_with_its_words(
    customer: Customer,
) -> None:
    answer = customer.chat("[[simulate status=400]]")
    assert answer.status == 400
    assert answer.json["error"]["code"] == "upstream_refused_request"
    assert "simulated with the status 400" in answer.json["error"]["message"]
    assert customer.spend().settled_nano_usd == customer.spend().held_nano_usd == 0


def test_an_upstream_that_refuses_our_credential_is_no_fault_of_the_callers(
    customer: Customer,
) -> None:
    answer = customer.chat("[[simulate status=401]]", model=FIRST)
    assert answer.status == 503
    assert b"simulated" not in answer.body


def test_an_answer_without_usage_is_charged_by_its_length(customer: Customer) -> None:
    answer = customer.chat("Hello [[simulate usage=none tokens=30]]", model=FIRST)
    assert answer.status == 200
    assert "usage" not in answer.json
    spend = customer.spend()
    assert spend.held_nano_usd == 0
    assert spend.settled_nano_usd % 1000 == 0
    assert 30 * 4000 < spend.settled_nano_usd < 30 * 4000 + 100 * 1000


@pytest.mark.parametrize("fault", ["cut=7", "fault=late-error tokens=7"])
def test_a_stream_that_breaks_off_is_charged_for_what_came_and_says_so(
    customer: Customer, fault: str
) -> None:
    prompt = f"[[simulate {fault}]]"
    stream = customer.openai().chat.completions.create(
        model=FIRST, messages=[{"role": "user", "content": prompt}], stream=True
    )
    assert len([next(stream) for _ in range(7)]) == 7
    with pytest.raises(openai.APIError) as raised:
        next(stream)
    assert raised.value.code == "upstream_broke_off"
    eventually(lambda: customer.spend().held_nano_usd == 0)
    assert 7 * 4000 <= customer.spend().settled_nano_usd < 7 * 4000 + 60 * 1000


def test_events_that_are_none_harm_nothing(customer: Customer) -> None:
    amounts = []
    for fault in ("", "fault=malformed"):
        one = customer.world.customer()
        answer = one.chat(f"[[simulate {fault:<15} tokens=7]]", model=FIRST, stream=True)
        assert answer.body.count(b'"content":"') == 7
        assert answer.body.endswith(b"data: [DONE]\n\n")
        assert one.spend().held_nano_usd == 0
        amounts.append(one.spend().settled_nano_usd)
    assert amounts[0] == amounts[1]


def test_a_stream_without_usage_is_charged_by_its_events(customer: Customer) -> None:
    answer = customer.chat("[[simulate usage=none tokens=30]]", model=FIRST, stream=True)
    assert answer.body.endswith(b"data: [DONE]\n\n")
    eventually(lambda: customer.spend().held_nano_usd == 0)
    assert 30 * 4000 < customer.spend().settled_nano_usd < 30 * 4000 + 100 * 1000


def test_a_caller_who_leaves_in_mid_stream_pays_for_what_was_produced(customer: Customer) -> None:
    stream = customer.openai().chat.completions.create(
        model=FIRST,
        messages=[{"role": "user", "content": "[[simulate tokens=1000 gap=0.05 count=left]]"}],
        stream=True,
    )
    for _ in zip(range(5), stream, strict=False):
        pass
    stream.close()
    eventually(lambda: customer.spend().held_nano_usd == 0)
    spend = customer.spend()
    produced = customer.world.counts()["tokens left"]
    # the upstream may have sent one more than reached us
    assert 5 <= produced < 100
    assert abs(spend.settled_nano_usd - produced * 4000) < 2 * 4000 + 60 * 1000


def test_a_caller_who_leaves_before_the_answer_pays_for_the_input_alone(
    customer: Customer,
) -> None:
    with pytest.raises(openai.APITimeoutError):
        customer.openai(timeout=0.5, max_retries=0).chat.completions.create(
            model=FIRST,
            messages=[{"role": "user", "content": "x" * 400 + "[[simulate delay=5]]"}],
        )
    eventually(lambda: customer.spend().held_nano_usd == 0)
    assert 100_000 <= customer.spend().settled_nano_usd < 160_000


def test_whole_and_streamed_answers_are_charged_the_same(world: EdgeWorld) -> None:
    amounts = []
    prompt = "Hello [[simulate tokens=50 cached=2 reasoning=9]]"
    for is_stream in (False, True):
        customer = world.customer()
        body = {"stream": True} if is_stream else {}
        assert customer.chat(prompt, model=FIRST, **body).status == 200
        amounts.append(customer.spend().settled_nano_usd)
    assert amounts[0] == amounts[1]


@pytest.mark.parametrize("asks", [False, True])
def test_the_usage_event_is_hidden_from_who_did_not_ask_for_it(
    customer: Customer, asks: bool
) -> None:
    options = {"stream_options": {"include_usage": True}} if asks else {}
    answer = customer.chat("[[simulate tokens=3]]", stream=True, **options)
    assert (b'"choices":[]' in answer.body) is asks
    assert answer.body.endswith(b"data: [DONE]\n\n")


def test_events_reach_the_caller_as_they_come(customer: Customer) -> None:
    stream = customer.openai().chat.completions.create(
        model=FIRST,
        messages=[{"role": "user", "content": "[[simulate tokens=5 gap=0.3]]"}],
        stream=True,
    )
    begun = time.monotonic()
    times = [time.monotonic() - begun for _ in stream]
    assert times[-1] - times[0] > 0.9  # nobody waited for the end


@pytest.mark.parametrize("protocol", ["responses", "messages"])
def test_streams_of_the_other_protocols_are_charged_by_their_usage(
    customer: Customer, protocol: str
) -> None:
    if protocol == "responses":
        events = customer.openai().responses.create(
            model="gpt-mini", input="[[simulate tokens=20 cached=1]]", stream=True
        )
        used = next(e for e in events if e.type == "response.completed").response.usage
        fresh, cached, output = used.input_tokens - 1, 1, used.output_tokens
    else:
        with customer.anthropic().messages.stream(
            model="claude-haiku",
            max_tokens=100,
            messages=[{"role": "user", "content": "[[simulate tokens=20 cached=1]]"}],
        ) as stream:
            used_ = stream.get_final_message().usage
        fresh, cached, output = used_.input_tokens, 1, used_.output_tokens
    assert output == 20
    assert customer.spend().settled_nano_usd == fresh * 1000 + cached * 250 + output * 4000


def test_a_sick_upstream_is_left_alone_and_tried_again(customer: Customer) -> None:
    for _ in range(5):
        assert customer.chat("[[simulate status=500]]", model=SECOND).status == 503
    requests = customer.world.counts()["requests"]
    answer = customer.chat("Hello", model=SECOND)
    assert answer.status == 503
    assert answer.json["error"]["code"] == "no_healthy_model"
    assert customer.world.counts()["requests"] == requests
    eventually(lambda: customer.chat("Hello", model=SECOND).status == 200, 30)
