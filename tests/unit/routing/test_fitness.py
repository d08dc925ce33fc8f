from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fluxrouter_server.domain.catalog import Capability, Protocol
from fluxrouter_server.domain.denials import Reason
from fluxrouter_server.domain.pricing import worst_case_nano_usd
from fluxrouter_server.routing.candidates import CandidateList
from fluxrouter_testing.catalogs import full_catalog
from fluxrouter_testing.routed import (
    changed,
    denied,
    models,
    only,
    route,
)


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


def test_the_size_that_is_given_counts_in_place_of_the_texts() -> None:
    assert only("fast-1", text="short", size_bytes=500).input_tokens == 500
    assert only("fast-1", text="short", size_bytes=0).input_tokens == 0


def test_a_model_to_avoid_serves_nobody() -> None:
    first, second = models("flux-fast")[:2]
    assert models("flux-fast", avoid=frozenset({first}))[0] == second
    assert denied("fast-1", avoid=frozenset({"fast-1"})).reason is Reason.NO_HEALTHY_MODEL
