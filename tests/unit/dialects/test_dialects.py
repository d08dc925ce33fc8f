"""What each protocol's module reads of a request, sends on, and makes of an answer."""

import json
from typing import Any

import pytest

from fluxrouter_server.dialects.chat_completions import ChatCompletions, chat_usage
from fluxrouter_server.dialects.dialect import Dialect, StreamMeter
from fluxrouter_server.dialects.embeddings import Embeddings
from fluxrouter_server.dialects.event_stream import ServerSentEvent
from fluxrouter_server.dialects.messages import CountTokens, Messages
from fluxrouter_server.dialects.refusals import Refused
from fluxrouter_server.dialects.responses import Responses
from fluxrouter_server.domain.catalog import Capability
from fluxrouter_server.domain.pricing import Usage

DATA_URL = "data:image/png;base64,AAAA"
HELLO = [{"role": "user", "content": "Hello"}]
CHAT, RESPONSES, MESSAGES = ChatCompletions(), Responses(), Messages()


def sent(dialect: Dialect, body: dict[str, Any]) -> dict[str, Any]:
    asked = dialect.read(body)
    return dialect.rewritten(body, asked, upstream_model="there", output_tokens=7)


def seen(meter: StreamMeter, *values: object) -> list[bool]:
    """Whether the caller has each of these events."""
    return [meter.see(ServerSentEvent(b"", "", json.dumps(value).encode())) for value in values]


def test_chat_is_read_as_far_as_it_matters() -> None:
    asked = CHAT.read(
        {
            "model": "flux-auto",
            "messages": [
                {"role": "system", "content": "Be short."},
                {
                    "role": "user",
                    "content": [
                        {
                            "type": "text",
                            "text": "What is in this picture of mine, said in detail?",
                        },
                        {"type": "image_url", "image_url": {"url": DATA_URL}},
                        {"type": "image_url", "image_url": {"url": "https://x.test/a.png"}},
                    ],
                },
            ],
            "max_tokens": 100,
            "max_completion_tokens": 50,
            "n": 2,
            "tools": [{"type": "function", "function": {"name": "f"}}],
            "response_format": {"type": "json_object"},
            "stream": True,
            "stream_options": {"include_usage": True},
        }
    )
    assert asked.text == "What is in this picture of mine, said in detail?"
    assert (asked.images, asked.image_bytes) == (2, len(DATA_URL))
    assert (asked.max_output_tokens, asked.choices) == (50, 2)
    assert asked.capabilities == {Capability.TOOLS, Capability.JSON}
    assert asked.is_stream
    assert asked.wants_usage


@pytest.mark.parametrize(
    "limits,names",
    [
        ({}, {"max_completion_tokens"}),
        ({"max_tokens": 9}, {"max_tokens"}),
        ({"max_tokens": 9, "max_completion_tokens": 9}, {"max_tokens", "max_completion_tokens"}),
    ],
)
def test_the_granted_output_goes_where_the_caller_put_its_wish(
    limits: dict[str, int], names: set[str]
) -> None:
    body = sent(CHAT, {"model": "here", "messages": HELLO, "seed": 1, **limits})
    assert {name for name in body if name.startswith("max")} == names
    assert {body[name] for name in names} == {7}
    assert (body["model"], body["seed"]) == ("there", 1)


def test_usage_is_asked_for_where_an_answer_is_streamed() -> None:
    body = sent(CHAT, {"model": "m", "messages": HELLO, "stream": True, "stream_options": {"x": 1}})
    assert body["stream_options"] == {"x": 1, "include_usage": True}
    assert "stream_options" not in sent(CHAT, {"model": "m", "messages": HELLO})


def test_answers_are_never_kept_by_a_provider_that_all_callers_share() -> None:
    assert sent(RESPONSES, {"model": "m", "input": "Hello"})["store"] is False
    assert sent(RESPONSES, {"model": "m", "input": "Hello", "store": True})["store"] is False


def test_messages_are_sent_with_the_grant_and_at_the_standard_price() -> None:
    body = sent(MESSAGES, {"model": "m", "messages": HELLO, "max_tokens": 9})
    assert (body["max_tokens"], body["service_tier"]) == (7, "standard_only")
    assert sent(CountTokens(), {"model": "m", "messages": HELLO}) == {
        "model": "there",
        "messages": HELLO,
    }


def test_images_in_a_tools_result_count() -> None:
    image = {"type": "image", "source": {"type": "base64", "data": "AAAA"}}
    result = {"type": "tool_result", "tool_use_id": "t", "content": [image]}
    asked = MESSAGES.read({"model": "m", "messages": [{"role": "user", "content": [result]}]})
    assert (asked.images, asked.image_bytes) == (1, 4)


@pytest.mark.parametrize("given", ["Hello", ["a", "b"], [1, 2, 3], [[1], [2]]])
def test_embeddings_take_texts_and_tokens(given: object) -> None:
    assert sent(Embeddings(), {"model": "m", "input": given})["model"] == "there"


@pytest.mark.parametrize("dialect", [CHAT, RESPONSES, MESSAGES, Embeddings()])
@pytest.mark.parametrize("body", [{}, {"model": "m"}, {"model": "m", "messages": {}, "input": 3}])
def test_nothing_to_answer_is_refused(dialect: Dialect, body: dict[str, Any]) -> None:
    with pytest.raises(Refused):
        dialect.read(body)


@pytest.mark.parametrize(
    "told,usage",
    [
        ({"prompt_tokens": 10, "completion_tokens": 5}, Usage(10, 0, 0, 5)),
        (
            {
                "prompt_tokens": 10,
                "completion_tokens": 5,
                "prompt_tokens_details": {"cached_tokens": 4},
                "completion_tokens_details": {"reasoning_tokens": 3},
            },
            Usage(6, 4, 0, 5, 3),
        ),
        ({"prompt_tokens": 10, "completion_tokens": 5, "total_tokens": 40}, Usage(10, 0, 0, 30)),
        (
            {"prompt_tokens": 10, "prompt_cache_hit_tokens": 8, "completion_tokens": 1},
            Usage(2, 8, 0, 1),
        ),
        ({"prompt_tokens": 10, "total_tokens": 10}, Usage(10, 0, 0, 0)),
        ({"prompt_tokens": -1, "completion_tokens": 5}, None),
        ({"prompt_tokens": 1, "prompt_tokens_details": {"cached_tokens": 2}}, None),
        ({"prompt_tokens": "10"}, None),
        ({"prompt_tokens": 10**12, "completion_tokens": 5}, None),
        ([], None),
        (None, None),
    ],
)
def test_a_usage_is_read_without_overlap_or_not_at_all(told: object, usage: Usage | None) -> None:
    assert chat_usage(told) == usage


def test_usage_of_responses_and_messages() -> None:
    told = {
        "input_tokens": 10,
        "input_tokens_details": {"cached_tokens": 4},
        "output_tokens": 5,
        "output_tokens_details": {"reasoning_tokens": 2},
    }
    assert RESPONSES.usage({"usage": told}) == Usage(6, 4, 0, 5, 2)
    told = {"input_tokens": 10, "cache_read_input_tokens": 4, "cache_creation_input_tokens": 3}
    assert MESSAGES.usage({"usage": {**told, "output_tokens": 5}}) == Usage(10, 4, 3, 5)


def test_the_extra_event_of_chat_is_hidden_from_who_did_not_ask() -> None:
    said = {"choices": [{"delta": {"content": "ab€"}}], "usage": None}
    used = {"choices": [], "usage": {"prompt_tokens": 3, "completion_tokens": 1}}
    for wants in (False, True):
        options = {"include_usage": wants}
        body = {"model": "m", "messages": HELLO, "stream": True, "stream_options": options}
        meter = CHAT.meter(CHAT.read(body))
        assert seen(meter, said, used) == [True, wants]
        assert meter.usage == Usage(3, 0, 0, 1)
        assert (meter.output_bytes, meter.deltas) == (5, 1)


def test_calls_of_tools_and_reasoning_are_output() -> None:
    meter = CHAT.meter(CHAT.read({"model": "m", "messages": HELLO}))
    calls = [{"function": {"arguments": "{}"}}]
    seen(
        meter,
        {"choices": [{"delta": {"tool_calls": calls}}]},
        {"choices": [{"delta": {"reasoning_content": "hm"}}]},
        {"choices": [{"delta": {"role": "assistant"}}]},
    )
    assert meter.deltas == 2


def test_what_an_upstream_says_of_its_failure_is_not_passed_on() -> None:
    chat = CHAT.meter(CHAT.read({"model": "m", "messages": HELLO}))
    assert seen(chat, {"error": {"message": "account acme is out of money"}}) == [False]
    responses = RESPONSES.meter(RESPONSES.read({"model": "m", "input": "x"}))
    assert seen(responses, {"type": "error", "message": "no"}) == [False]
    messages = MESSAGES.meter(MESSAGES.read({"model": "m", "messages": HELLO}))
    assert seen(messages, {"type": "error", "error": {"message": "no"}}) == [False]
    assert all(meter.failure for meter in (chat, responses, messages))


def test_a_stream_of_messages_tells_its_input_before_its_output() -> None:
    meter = MESSAGES.meter(MESSAGES.read({"model": "m", "messages": HELLO}))
    begun = {"input_tokens": 9, "cache_read_input_tokens": 2, "output_tokens": 1}
    delta = {"type": "content_block_delta", "delta": {"type": "text_delta", "text": "abcd"}}
    seen(meter, {"type": "message_start", "message": {"usage": begun}}, delta)
    assert meter.usage is None
    assert meter.input_usage == Usage(9, 2, 0, 0)
    seen(meter, {"type": "message_delta", "usage": {"output_tokens": 30}})
    assert meter.usage == Usage(9, 2, 0, 30)


def test_what_the_user_said_last_is_judged_and_nothing_else() -> None:
    long = "one two three four five six seven eight"
    said = [
        {"role": "system", "content": "Prove everything step by step."},
        {"role": "user", "content": long},
        {"role": "assistant", "content": "Here is a theorem."},
        {"role": "user", "content": [{"type": "text", "text": "and in Rust?"}]},
    ]
    assert CHAT.read({"model": "m", "messages": said}).text == f"{long}\n\nand in Rust?"
    assert MESSAGES.read({"model": "m", "messages": said[1:]}).text == f"{long}\n\nand in Rust?"
    assert RESPONSES.read({"model": "m", "input": long}).text == long
