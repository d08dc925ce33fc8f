"""RouterService over the wire."""

import grpc

from fluxrouter.v1 import router_pb2
from fluxrouter_testing.customers import account
from fluxrouter_testing.refusals import refused
from fluxrouter_testing.shop import Shop

EXPRESS = router_pb2.Rates(
    input_nano_usd=1_000_000_000,
    cached_input_nano_usd=250_000_000,
    cache_write_nano_usd=1_000_000_000,
    output_nano_usd=4_000_000_000,
)


async def test_an_admission_says_all_that_the_upstream_call_needs(shop: Shop) -> None:
    answer = await shop.route(request_id="r-1")
    assert answer.hold_id.startswith("h1.")
    assert (answer.request_id, answer.attempt) == ("r-1", 1)
    assert (answer.model, answer.lane, answer.tier) == ("llama-3.1-8b", "express", "fast")
    assert (answer.upstream, answer.upstream_model) == ("open-models", "llama-3.1-8b")
    assert (answer.input_tokens, answer.granted_max_output_tokens) == (1000, 100)
    assert answer.held_nano_usd == 1_400_000
    assert answer.headroom_nano_usd == 998_600_000
    assert answer.rates == EXPRESS
    assert answer.state == router_pb2.HOLD_STATE_ACTIVE
    assert (answer.shrunk, answer.replayed, answer.would_deny_reason) == (False, False, "")
    assert answer.reasons


async def test_a_tier_that_was_left_open_is_chosen_by_what_is_asked_and_explained(
    shop: Shop,
) -> None:
    easy = await shop.route(model="flux-auto", text="Hello")
    hard = await shop.route(
        model="flux-auto",
        text=(
            "Prove that $\\sqrt{p}$ is irrational for every prime $p$, and find all $n$ with"
            " $\\sqrt{n} \\in \\mathbb{Q}$."
        ),
    )
    assert (easy.tier, hard.tier) == ("fast", "reasoning")
    assert "mathematical notation" in hard.reasons
    assert any("expected quality" in reason for reason in hard.reasons)


async def test_the_month_and_the_hold_end_when_the_plan_says(shop: Shop) -> None:
    answer = await shop.route()
    assert answer.period_end_time.ToJsonString() == "2027-02-01T00:00:00Z"
    assert answer.expire_time.ToMicroseconds() == shop.clock.now_us + 30_000_000


async def test_the_same_request_again_is_answered_as_before(shop: Shop) -> None:
    first = await shop.route(request_id="r-1")
    again = await shop.route(request_id="r-1")
    assert (first.replayed, again.replayed) == (False, True)
    assert again.hold_id == first.hold_id
    assert await shop.held_nano_usd() == first.held_nano_usd


async def test_a_cap_that_is_near_shrinks_the_output(shop: Shop) -> None:
    answer = await shop.route(input_tokens=999_000, max_output_tokens=1000)
    assert answer.shrunk
    assert answer.granted_max_output_tokens == 250
    assert answer.headroom_nano_usd == 0


HARD = "Prove that $\\sqrt{p}$ is irrational for every prime $p$, and derive $\\sqrt{n}$."


async def test_near_the_cap_a_cheaper_lane_that_fits_answers_before_a_denial(shop: Shop) -> None:
    before = await shop.route(model="flux-auto", text=HARD)
    assert before.lane == "deep-thought"
    await shop.route(input_tokens=989_000)

    near = await shop.route(model="flux-auto", text=HARD)
    assert (near.tier, near.lane, near.shrunk) == ("reasoning", "daily-driver", False)
    assert near.reasons[-1].endswith("nothing better fits the money that is left")


async def test_an_account_that_does_not_allow_a_cheaper_lane_is_denied_there(shop: Shop) -> None:
    strict = account(shop.account, shop.plan)
    strict.account.spec.near_cap = "same-tier"
    await shop.connection.apply(strict)
    await shop.route(input_tokens=996_000)
    refusal = await refused(shop.route(model="flux-auto", text=HARD))
    assert refusal.reason == "CAP_REACHED"

    await shop.connection.apply(account(shop.account, shop.plan))
    assert (await shop.route(model="flux-auto", text=HARD)).lane == "daily-driver"


async def test_a_cap_that_is_reached_says_what_remains_and_when_it_resets(shop: Shop) -> None:
    await shop.route(input_tokens=999_000, max_output_tokens=250)
    refusal = await refused(shop.route())
    assert (refusal.code, refusal.reason) == (
        grpc.StatusCode.RESOURCE_EXHAUSTED,
        "CAP_REACHED",
    )
    assert refusal.facts["level"] == "account"
    assert refusal.facts["cap_nano_usd"] == "1000000000"
    assert refusal.facts["remaining_nano_usd"] == "0"
    assert refusal.facts["reset_time"] == "2027-02-01T00:00:00Z"
    assert refusal.quota == ["account"]
    assert refusal.retry_seconds is None


async def test_a_model_that_nobody_has_is_answered_with_the_nearest_ones(shop: Shop) -> None:
    refusal = await refused(shop.route(model="llama-3.1-8"))
    assert (refusal.code, refusal.reason) == (grpc.StatusCode.NOT_FOUND, "MODEL_NOT_FOUND")
    assert "llama-3.1-8b" in refusal.facts["nearest"]


async def test_a_request_that_fits_no_window_says_both_sizes(shop: Shop) -> None:
    refusal = await refused(shop.route(model="qwen-2.5-7b", input_tokens=40_000))
    assert (refusal.code, refusal.reason) == (
        grpc.StatusCode.INVALID_ARGUMENT,
        "CONTEXT_TOO_LONG",
    )
    assert refusal.facts["window_tokens"] == "32768"
    assert int(refusal.facts["required_tokens"]) > 40_000


async def test_an_account_may_ask_for_models_with_their_prices_and_aliases(shop: Shop) -> None:
    request = router_pb2.ListModelsRequest(account=shop.account)
    offer = await shop.connection.router.ListModels(request)
    models = {model.id: model for model in offer.models}
    assert list(models) == sorted(models)
    assert models["llama-3.1-8b"].rates == EXPRESS
    assert models["llama-3.1-8b"].protocols == ["chat-completions"]
    assert {"flux-auto", "flux-fast"} <= {alias.id for alias in offer.aliases}
