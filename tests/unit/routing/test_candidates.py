from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxrouter_server.domain.accounts import KeyLimits
from fluxrouter_server.domain.catalog import Capability, Catalog, Model, Protocol, Tier
from fluxrouter_server.domain.denials import Denial, Reason
from fluxrouter_server.domain.holds import Candidate
from fluxrouter_server.domain.ids import AccountUid, KeyName, LaneId, ModelId
from fluxrouter_server.domain.limits import (
    AccountRecord,
    CatalogRecord,
    Generation,
    Limits,
    PlanRecord,
    resolve,
)
from fluxrouter_server.domain.pricing import RateCard, Rates, worst_case_nano_usd
from fluxrouter_server.domain.requests import RouteQuery
from fluxrouter_server.routing.candidates import CandidateList, candidates_for
from fluxrouter_server.routing.rules import TierDecision
from fluxrouter_testing.catalogs import full_catalog
from fluxrouter_testing.resources import sample_account, sample_plan

GENERATION = Generation(1, "00000001")
CI = KeyName("ci")
FAST, STANDARD, REASONING = (
    [ModelId(f"{tier}-1"), ModelId(f"{tier}-eyes")] for tier in ("fast", "standard", "reasoning")
)


@dataclass
class Always:
    """Chooses one tier, or the cheapest permitted, and remembers what was permitted."""

    tier: Tier | None = None
    permitted: Sequence[Tier] = ()

    def choose(self, text: str, permitted: Sequence[Tier]) -> TierDecision:
        self.permitted = permitted
        return TierDecision(self.tier or permitted[0], (f"{len(text)} characters",))


def limits(**plan: Any) -> Limits:  # noqa: ANN401 - a value of any field
    keys = (KeyLimits(CI, None, None, frozenset({ModelId("fast-eyes")})),)
    account = replace(sample_account(), keys=keys)
    return resolve(
        AccountRecord(AccountUid("a" * 16), account, (), False, GENERATION, 0),
        PlanRecord(replace(sample_plan(), **plan), GENERATION, 0),
        CatalogRecord(full_catalog(), GENERATION, 0),
    )


def route(
    model: str,
    *,
    catalog: Catalog | None = None,
    under: Limits | None = None,
    key: KeyName | None = None,
    chooser: Always | None = None,
    sick: Sequence[str] = (),
    **query: Any,  # noqa: ANN401 - a value of any field
) -> CandidateList | Denial:
    return candidates_for(
        RouteQuery(model=model, **query),
        under or limits(),
        catalog or full_catalog(),
        key=key,
        now_us=1_000,
        chooser=chooser or Always(),
        healthy=lambda one: one.id not in sick,
    )


def found(*args: Any, **kwargs: Any) -> CandidateList:  # noqa: ANN401 - those of `route`
    answer = route(*args, **kwargs)
    assert isinstance(answer, CandidateList), answer
    return answer


def only(*args: Any, **kwargs: Any) -> Candidate:  # noqa: ANN401 - those of `route`
    (candidate,) = found(*args, **kwargs).candidates
    return candidate


def models(*args: Any, **kwargs: Any) -> list[ModelId]:  # noqa: ANN401 - those of `route`
    return [candidate.model for candidate in found(*args, **kwargs).candidates]


def denied(*args: Any, **kwargs: Any) -> Denial:  # noqa: ANN401 - those of `route`
    answer = route(*args, **kwargs)
    assert isinstance(answer, Denial), answer
    return answer


def changed(model: str, **changes: Any) -> Catalog:  # noqa: ANN401 - a value of any field
    catalog = full_catalog()
    one: Model = replace(catalog.models[ModelId(model)], **changes)
    return replace(catalog, models={**catalog.models, one.id: one})


@pytest.mark.parametrize("name", ["fast-1", "flux-pinned-fast-1", "small"])
def test_a_model_is_asked_for_by_id_pinned_or_alias(name: str) -> None:
    answer = found(name)
    assert [candidate.model for candidate in answer.candidates] == ["fast-1"]
    assert answer.tier is None
    assert answer.reasons_for(ModelId("fast-1")) == ("fast-1 was asked for",)


def test_a_candidate_carries_upstream_lane_and_the_rates_in_force() -> None:
    candidate = only("standard-1", input_tokens=10, max_output_tokens=20, choices=3)
    express = full_catalog().lanes[LaneId("daily-driver")].rate_cards[0].rates
    assert candidate == Candidate(
        model=ModelId("standard-1"),
        lane=LaneId("daily-driver"),
        upstream="provider",
        upstream_model="standard-1-latest",
        rates=express,
        input_tokens=10,
        output_tokens=20,
        choices=3,
    )


@pytest.mark.parametrize(
    "name,order",
    [
        ("flux-fast", FAST),
        ("flux-standard", [*STANDARD, *FAST]),
        ("flux-reasoning", [*REASONING, *STANDARD, *FAST]),
    ],
)
def test_a_tier_is_followed_by_the_cheaper_ones_nearest_first(
    name: str, order: list[ModelId]
) -> None:
    assert models(name) == order


def test_for_auto_the_chooser_names_the_tier() -> None:
    answer = found("flux-auto", text="hello", chooser=Always(Tier.STANDARD))
    assert answer.tier is Tier.STANDARD
    assert [candidate.model for candidate in answer.candidates] == [*STANDARD, *FAST]
    assert answer.reasons == ("5 characters",)


def test_the_chooser_is_offered_only_tiers_that_can_serve() -> None:
    chooser = Always()
    assert models("flux-auto", input_tokens=150_000, chooser=chooser)[0] == "standard-eyes"
    assert chooser.permitted == (Tier.STANDARD, Tier.REASONING)


def test_a_tier_in_the_request_comes_before_the_choice() -> None:
    chooser = Always(Tier.REASONING)
    answer = found("flux-auto", tier=Tier.STANDARD, chooser=chooser)
    assert answer.tier is Tier.STANDARD
    assert chooser.permitted == ()


def test_a_tier_in_the_request_says_nothing_about_a_model_that_is_asked_for() -> None:
    assert models("fast-1", tier=Tier.REASONING) == ["fast-1"]


def test_a_tier_that_was_asked_for_never_becomes_a_dearer_one() -> None:
    assert denied("flux-fast", input_tokens=500_000).reason is Reason.CONTEXT_TOO_LONG


def test_a_model_in_two_tiers_is_one_candidate() -> None:
    catalog = full_catalog()
    tiers = {**catalog.tiers, Tier.FAST: (ModelId("standard-1"), ModelId("fast-1"))}
    answer = found("flux-standard", catalog=replace(catalog, tiers=tiers))
    assert [candidate.model for candidate in answer.candidates] == [*STANDARD, "fast-1"]
    assert answer.tiers == (Tier.STANDARD, Tier.STANDARD, Tier.FAST)


@pytest.mark.parametrize(
    "model,why",
    [
        ("standard-1", "standard-1 is the first of the tier that can serve"),
        ("standard-eyes", "standard-eyes is number 2 of the tier: nothing before it fits"),
        ("fast-1", "fast-1 is of the cheaper tier fast: nothing better fits the money"),
    ],
)
def test_the_reasons_say_why_this_candidate_serves(model: str, why: str) -> None:
    reasons = found("flux-standard").reasons_for(ModelId(model))
    assert reasons[0] == "flux-standard is the tier standard"
    assert reasons[1].startswith(why)


def test_the_reasons_say_where_the_whole_tier_cannot_serve() -> None:
    answer = found("flux-standard", sick=STANDARD)
    assert answer.reasons_for(ModelId("fast-1"))[1].endswith("no model of standard can serve")


def test_capabilities_that_are_needed_leave_out_who_lacks_them() -> None:
    assert models("flux-fast", capabilities=frozenset({Capability.VISION})) == ["fast-eyes"]


def test_images_need_vision_though_nobody_says_so() -> None:
    assert models("flux-fast", images=1) == ["fast-eyes"]
    denial = denied("fast-1", images=1)
    assert denial.reason is Reason.INVALID_REQUEST
    assert [violation.field for violation in denial.violations] == ["images"]


def test_a_capability_that_a_model_lacks_is_named() -> None:
    denial = denied("fast-1", capabilities=frozenset({Capability.JSON}))
    assert denial.reason is Reason.INVALID_REQUEST
    assert [violation.field for violation in denial.violations] == ["capabilities"]
    assert "json" in denial.message


def test_a_protocol_that_a_model_does_not_speak_is_refused_with_those_it_does() -> None:
    denial = denied("fast-1", protocol=Protocol.MESSAGES)
    assert denial.reason is Reason.INVALID_REQUEST
    assert [violation.field for violation in denial.violations] == ["protocol"]
    assert "chat-completions" in denial.message


@pytest.mark.parametrize("smallest,input_tokens", [(16, 127_984), (1, 127_999)])
def test_input_and_smallest_output_just_fit_the_window(smallest: int, input_tokens: int) -> None:
    asked = {"max_output_tokens": 1} if smallest == 1 else {}
    assert only("fast-1", input_tokens=input_tokens, **asked).output_tokens == smallest
    denial = denied("fast-1", input_tokens=input_tokens + 1, **asked)
    assert denial.reason is Reason.CONTEXT_TOO_LONG
    assert denial.facts == {"required_tokens": 128_001, "window_tokens": 128_000}


def test_where_no_window_is_large_enough_the_largest_is_told() -> None:
    denial = denied("flux-auto", input_tokens=2_000_000)
    assert denial.facts == {"required_tokens": 2_000_016, "window_tokens": 1_000_000}


@pytest.mark.parametrize(
    "wish,output",
    [(None, 1_000), (1, 1), (8_000, 8_000), (8_001, 8_000), (100_000_000, 8_000)],
)
def test_output_is_the_wish_or_the_default_up_to_the_models_maximum(
    wish: int | None, output: int
) -> None:
    assert only("fast-1", input_tokens=1, max_output_tokens=wish).output_tokens == output


def test_output_is_what_the_window_leaves_beside_the_input() -> None:
    candidate = only("fast-1", input_tokens=127_000, max_output_tokens=8_000)
    assert candidate.output_tokens == 1_000


def test_all_choices_together_stay_within_what_can_be_priced() -> None:
    most = 100_000_000
    huge = changed("fast-1", context_window_tokens=most, max_output_tokens=most)
    candidate = only("fast-1", catalog=huge, input_tokens=0, max_output_tokens=most, choices=128)
    assert candidate.output_tokens == most // 128


def test_embeddings_have_no_output_whatever_the_model_could_write() -> None:
    assert only("embedder", input_tokens=8_192).output_tokens == 0
    both = frozenset({Protocol.EMBEDDINGS, Protocol.CHAT_COMPLETIONS})
    catalog = changed("fast-1", protocols=both)
    asked = {"input_tokens": 128_000, "protocol": Protocol.EMBEDDINGS}
    assert only("fast-1", catalog=catalog, **asked).output_tokens == 0


@pytest.mark.parametrize(
    "text,images,bound",
    [
        ("", 0, 0),
        ("a", 0, 1),  # 0.4 rounded up
        ("a" * 1_000, 0, 400),
        ("a" * 1_001, 0, 401),
        ("ü" * 1_000, 0, 800),
        ("\ud800" * 1_000, 0, 1_200),
        ("a" * 1_000, 2, 3_600),
    ],
)
def test_input_that_nobody_counted_is_bounded_by_its_bytes_and_images(
    text: str, images: int, bound: int
) -> None:
    catalog = changed("fast-eyes", tokens_per_kilobyte=400)
    assert only("fast-eyes", catalog=catalog, text=text, images=images).input_tokens == bound


def test_the_margin_enlarges_an_estimate_and_never_a_count() -> None:
    catalog = replace(full_catalog(), input_margin_percent=3)
    assert only("fast-1", catalog=catalog, text="a" * 101).input_tokens == 105  # 104.03 up
    assert only("fast-1", catalog=catalog, input_tokens=101, text="a" * 9).input_tokens == 101


def test_a_counted_request_needs_no_text() -> None:
    assert only("fast-1", input_tokens=0).input_tokens == 0


@pytest.mark.parametrize(
    "plan", [{"lanes": frozenset({"deep-thought"})}, {"models": frozenset({"standard-1"})}]
)
def test_a_model_outside_the_plan_is_refused(plan: dict[str, Any]) -> None:
    denial = denied("fast-1", under=limits(**plan))
    assert denial.reason is Reason.MODEL_NOT_IN_PLAN
    assert denial.facts == {"plan": "free", "model": "fast-1"}
    assert "the plan free" in denial.message


def test_a_model_that_the_key_does_not_allow_is_refused_in_the_keys_name() -> None:
    assert models("flux-auto", key=CI) == ["fast-eyes"]
    denial = denied("fast-1", key=CI)
    assert denial.reason is Reason.MODEL_NOT_IN_PLAN
    assert "the API key ci" in denial.message


def test_tiers_outside_the_plan_are_not_offered_to_the_chooser() -> None:
    chooser = Always()
    under = limits(lanes=frozenset({LaneId("deep-thought")}))
    assert models("flux-auto", under=under, chooser=chooser) == REASONING
    assert chooser.permitted == (Tier.REASONING,)


def test_a_model_without_a_price_is_never_served() -> None:
    future = (RateCard(1_001, Rates(0, 0, 0, 0)),)
    catalog = changed("fast-1", rate_cards=future)
    denial = denied("fast-1", catalog=catalog)
    assert denial.reason is Reason.MODEL_UNPRICED
    assert denial.facts == {"model": "fast-1"}
    assert models("flux-fast", catalog=catalog) == ["fast-eyes"]


def test_a_model_whose_upstream_fails_is_passed_over_or_refused_with_a_delay() -> None:
    assert models("flux-fast", sick=["fast-1"]) == ["fast-eyes"]
    denial = denied("flux-fast", sick=FAST)
    assert denial.reason is Reason.NO_HEALTHY_MODEL
    assert denial.retry_after_us == 1_000_000


def test_of_several_obstacles_the_last_one_is_told() -> None:
    """One more upstream, or a better plan, is what would have helped."""
    denial = denied("flux-fast", capabilities=frozenset({Capability.VISION}), sick=["fast-eyes"])
    assert denial.reason is Reason.NO_HEALTHY_MODEL
    under = limits(models=frozenset({ModelId("fast-1")}))
    denial = denied("flux-auto", under=under, input_tokens=150_000)
    assert denial.reason is Reason.MODEL_NOT_IN_PLAN


@pytest.mark.parametrize(
    "name,nearest",
    [
        ("fast1", "fast-1"),
        ("flux-pinned-fast1", "fast-1"),
        ("flux-atuo", "flux-auto"),
        ("gpt-9000", ""),
        ("x" * 256, ""),
    ],
)
def test_a_name_that_is_nothing_is_refused_with_the_nearest_that_is(
    name: str, nearest: str
) -> None:
    denial = denied(name)
    assert denial.reason is Reason.MODEL_NOT_FOUND
    assert str(denial.facts["nearest"]).split(",")[0] == nearest
    assert denial.facts["model"] == name


def test_no_model_is_suggested_that_would_be_refused() -> None:
    under = limits(models=frozenset({ModelId("standard-1")}))
    assert "fast-1" not in str(denied("fast1", under=under).facts["nearest"])


def test_of_a_thousand_models_the_nearest_is_still_found() -> None:
    catalog = full_catalog()
    many = {ModelId(f"vendor/model-{n}"): catalog.models[ModelId("fast-1")] for n in range(1000)}
    named = {name: replace(one, id=name) for name, one in {**many, **catalog.models}.items()}
    denial = denied("fsat-1", catalog=replace(catalog, models=named))
    assert str(denial.facts["nearest"]).split(",")[0] == "fast-1"


@pytest.mark.parametrize("name", ["fast", "standard", "auto", "flux-pinned-flux-auto"])
def test_a_tiers_name_is_no_name_to_ask_for(name: str) -> None:
    assert denied(name).reason is Reason.MODEL_NOT_FOUND


@given(
    name=st.sampled_from(["flux-auto", "flux-standard", "fast-eyes", "embedder"]),
    input_tokens=st.none() | st.integers(0, 100_000_000),
    text=st.text(max_size=50),
    max_output_tokens=st.none() | st.integers(1, 100_000_000),
    choices=st.integers(1, 128),
)
def test_every_candidate_fits_its_model_and_can_be_priced(
    name: str,
    **query: Any,  # noqa: ANN401 - values of any field
) -> None:
    answer = route(name, **query)
    for candidate in answer.candidates if isinstance(answer, CandidateList) else ():
        model = full_catalog().models[candidate.model]
        window = model.context_window_tokens
        assert candidate.input_tokens + candidate.output_tokens <= window
        assert 0 <= candidate.output_tokens <= model.max_output_tokens
        assert worst_case_nano_usd(candidate) >= 0
