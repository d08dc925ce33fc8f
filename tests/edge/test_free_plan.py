"""The Free plan as it is sold: each promise is one test, kept through the official clients."""

from datetime import UTC, datetime, timedelta
from decimal import Decimal

import openai
import pytest

from fluxrouter_testing.edge_world import Customer, EdgeWorld

HELLO = [{"role": "user", "content": "Hello"}]
NANO = Decimal(10**9)


@pytest.fixture
def free(world: EdgeWorld) -> Customer:
    return world.customer("free")


def next_month(now_us: int) -> str:
    """The next first of a month: the clock is shared, and other tests have moved it on."""
    begun = datetime.fromtimestamp(now_us // 1_000_000, UTC).replace(day=1)
    return (begun + timedelta(days=32)).strftime("%Y-%m-01T00:00:00Z")


def spend_all(customer: Customer) -> int:
    """Asks until the cap stops it; returns how many answers there were."""
    for answers in range(200):
        answer = customer.chat("[[simulate tokens=8000]]", model="flux-fast", max_tokens=8000)
        customer.world.clock.advance(1.0)
        if answer.status != 200:
            assert answer.status == 402, answer.body
            return answers
    raise AssertionError("the cap did not stop it")


def test_a_dollar_of_routing_a_month_at_the_express_lanes_rates(free: Customer) -> None:
    answer = free.chat("x" * 4000 + "[[simulate tokens=1000]]")
    told = answer.json["usage"]
    # $1 for 1M input tokens, $4 for 1M output tokens
    cost = Decimal(told["prompt_tokens"] * 1000 + told["completion_tokens"] * 4000) / NANO
    assert Decimal(answer.headers["x-flux-cost-usd"]) == cost
    assert free.spend().settled_nano_usd == cost * NANO
    assert free.spend().cap_nano_usd == 10**9


@pytest.mark.parametrize(
    "model,input_rate,output_rate",
    [("llama-3.1-8b", 1000, 4000), ("llama-3.3-70b", 2000, 10_000), ("deepseek-r1", 4000, 20_000)],
)
def test_it_is_billed_at_the_lane_rate_of_whichever_model_served(
    free: Customer, model: str, input_rate: int, output_rate: int
) -> None:
    answer = free.chat("Hello [[simulate tokens=10]]", model=model)
    told = answer.json["usage"]
    nano_usd = told["prompt_tokens"] * input_rate + 10 * output_rate
    assert Decimal(answer.headers["x-flux-cost-usd"]) == Decimal(nano_usd) / NANO


def test_free_has_the_full_model_list(world: EdgeWorld, free: Customer) -> None:
    def listed(customer: Customer) -> set[str]:
        return {model.id for model in customer.openai().models.list()}

    assert listed(free) == listed(world.customer("scale"))
    assert {"flux-auto", "claude-opus", "text-embedding"} <= listed(free)


def test_free_has_the_same_smart_routing(world: EdgeWorld, free: Customer) -> None:
    prompt = (
        "Prove that $\\sqrt{p}$ is irrational for every prime $p$, and find all $n$ with"
        " $\\sqrt{n} \\in \\mathbb{Q}$."
    )
    answers = [c.chat(prompt, model="flux-auto") for c in (free, world.customer("scale"))]
    models = [answer.headers["x-flux-model"] for answer in answers]
    assert models[0] == models[1]
    assert answers[0].headers["x-flux-tier"] == "reasoning"


def test_one_request_a_second(free: Customer) -> None:
    first = free.chat("Hello")
    assert first.status == 200
    assert first.headers["x-ratelimit-limit-requests"] == "1"
    assert first.headers["x-ratelimit-reset-requests"] == "1000ms"
    second = free.chat("Hello")
    assert second.status == 429
    for answer in (first, second):
        assert answer.headers["x-ratelimit-remaining-requests"] == "0"
    assert second.json["error"]["code"] == "rate_limited"
    assert second.headers["retry-after"] == "1"
    free.world.clock.advance(1.0)
    assert free.chat("Hello").status == 200


def test_at_a_dollar_http_402_until_the_next_month_without_a_bill(free: Customer) -> None:
    assert spend_all(free) > 0
    client = free.openai(max_retries=0)
    free.world.clock.advance(1.0)
    with pytest.raises(openai.APIStatusError) as raised:
        client.chat.completions.create(model="flux-fast", messages=HELLO * 50, max_tokens=8000)
    assert raised.value.status_code == 402
    assert raised.value.code == "cap_reached"
    body = raised.value.body
    assert isinstance(body, dict)
    assert body["reset_time"] == next_month(free.world.clock.now_us)
    assert free.spend().settled_nano_usd <= 10**9
    assert free.spend().held_nano_usd == 0


def test_the_client_does_not_retry_what_the_cap_stopped(free: Customer) -> None:
    spend_all(free)
    free.world.clock.advance(1.0)
    with pytest.raises(openai.APIStatusError) as raised:
        free.openai(max_retries=5).chat.completions.create(
            model="flux-fast", messages=HELLO * 50, max_tokens=8000
        )
    assert raised.value.response.headers["x-should-retry"] == "false"
    assert raised.value.request.headers["x-stainless-retry-count"] == "0"


def test_a_card_must_be_on_file_and_is_never_charged(world: EdgeWorld, free: Customer) -> None:
    answer = free.chat("Hello")
    assert answer.status == 200
    assert free.spend().included_used_nano_usd == free.spend().settled_nano_usd > 0
    without = world.customer("free", payment_method="none").chat("Hello")
    assert without.status == 402
    assert without.json["error"]["code"] == "payment_method_required"


def test_flux_auto_routes_and_a_whole_answer_says_what_it_cost_and_who_gave_it(
    free: Customer,
) -> None:
    raw = free.openai().chat.completions.with_raw_response.create(model="flux-auto", messages=HELLO)
    headers = raw.headers
    assert headers["x-flux-original-model"] == "flux-auto"
    assert headers["x-flux-model"] == raw.parse().model
    assert headers["x-flux-routed"] == "true"
    assert headers["x-flux-request-id"]
    assert Decimal(headers["x-flux-cost-usd"]) * NANO == free.spend().settled_nano_usd


def test_a_model_that_is_asked_for_is_not_routed(free: Customer) -> None:
    answer = free.chat("Hello", model="gpt-mini")
    assert answer.headers["x-flux-routed"] == "false"
    assert answer.headers["x-flux-model"] == answer.headers["x-flux-original-model"] == "gpt-mini"


def test_a_streamed_answers_cost_is_in_the_usage_and_not_in_its_headers(free: Customer) -> None:
    client = free.openai()
    with client.chat.completions.with_streaming_response.create(
        model="flux-auto", messages=HELLO, stream=True
    ) as raw:
        assert "x-flux-cost-usd" not in raw.headers
        assert raw.headers["x-flux-original-model"] == "flux-auto"
        lines = [line for line in raw.iter_lines() if line]
    assert lines[-1] == "data: [DONE]"
    assert free.spend().settled_nano_usd > 0
    assert free.spend().held_nano_usd == 0


def test_openai_clients_need_a_new_base_url_and_nothing_else(free: Customer) -> None:
    client = free.openai()
    chat = client.chat.completions.create(model="flux-auto", messages=HELLO)
    assert chat.choices[0].message.content
    free.world.clock.advance(1.0)
    response = client.responses.create(model="flux-auto", input="Hello")
    assert response.output_text
    free.world.clock.advance(1.0)
    vectors = client.embeddings.create(model="text-embedding", input=["Hello"])
    assert vectors.data[0].embedding


def test_anthropic_clients_use_the_base_anthropic(free: Customer) -> None:
    client = free.anthropic()
    message = client.messages.create(model="flux-auto", max_tokens=40, messages=HELLO)
    assert message.content[0].text.startswith("This is FluxRouter's upstream simulator")
    free.world.clock.advance(1.0)
    counted = client.messages.count_tokens(model="claude-haiku", messages=HELLO)
    assert counted.input_tokens == 2


def test_an_upgrade_keeps_the_key_and_the_next_request_passes(free: Customer) -> None:
    spend_all(free)
    free.world.clock.advance(1.0)
    big = {"prompt": "Hello [[simulate tokens=8000]]", "max_tokens": 8000}
    assert free.chat(**big).status == 402
    free.move_to("pay-as-you-go")
    assert free.chat(**big).status == 200


def test_the_cap_resets_each_month(free: Customer) -> None:
    spend_all(free)
    free.world.clock.advance(31 * 86_400)  # no month is longer
    assert free.chat("Hello").status == 200
    assert free.spend().settled_nano_usd < 10**9 // 100
