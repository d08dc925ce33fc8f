"""What docs/routing.md says of each kind of input, for `flux-auto` with the model that ships."""

import time
from dataclasses import replace

import pytest

from fluxrouter_server.calibration.entry import explain
from fluxrouter_server.domain.catalog import Capability, Catalog, Tier
from fluxrouter_testing.catalogs import full_catalog
from fluxrouter_testing.routed import Always, found

_FOUR_KILOBYTES = "Find the smallest x with f(x) = 3 and explain why it is so. " * 69
_MEGABYTE = _FOUR_KILOBYTES * 256


def able(capability: Capability, *tiers: Tier) -> Catalog:
    """The full catalog, where only the models of these tiers have a capability."""
    catalog = full_catalog()
    having = {model for tier in tiers for model in catalog.tiers[tier]}
    models = {
        one.id: replace(
            one,
            capabilities=one.capabilities - {capability}
            | ({capability} if one.id in having else frozenset()),
        )
        for one in catalog.models.values()
    }
    return replace(catalog, models=models)


@pytest.mark.parametrize("capability", [Capability.TOOLS, Capability.JSON])
def test_tools_and_json_permit_only_tiers_with_a_model_that_can_do_it(
    capability: Capability,
) -> None:
    chooser = Always()
    catalog = able(capability, Tier.STANDARD, Tier.REASONING)
    answer = found(
        "flux-auto", catalog=catalog, capabilities=frozenset({capability}), chooser=chooser
    )
    assert chooser.permitted == (Tier.STANDARD, Tier.REASONING)
    assert answer.tier is Tier.STANDARD


def test_an_image_permits_only_tiers_that_see_and_its_text_is_judged_as_always() -> None:
    chooser = Always()
    catalog = able(Capability.VISION, Tier.REASONING)
    answer = found("flux-auto", catalog=catalog, images=1, text="what is this?", chooser=chooser)
    assert chooser.permitted == (Tier.REASONING,)
    assert answer.reasons == ("13 characters",)


def test_an_image_alone_is_an_empty_prompt() -> None:
    assert explain("").reasons == ("there is no text to judge",)


def test_a_megabyte_costs_little_more_than_four_kilobytes() -> None:
    short, long = _least_cpu_seconds(_FOUR_KILOBYTES), _least_cpu_seconds(_MEGABYTE)
    assert long < 4 * short
    assert long < 0.01  # ten times what it takes


def test_what_stands_between_the_beginning_and_the_end_of_a_long_text_is_not_read() -> None:
    middle = len(_MEGABYTE) // 2
    other = f"{_MEGABYTE[:middle]} prove \\sqrt{{2}} {_MEGABYTE[middle:]}"[: len(_MEGABYTE)]
    one, two = explain(_MEGABYTE[:-600] + "x" * 600), explain(other[:-600] + "x" * 600)
    assert one == two


@pytest.mark.parametrize(
    "text",
    [
        "Beweise, dass es unendlich viele Primzahlen gibt: $p \\mid n! + 1$.",
        "Докажите, что $\\sqrt{2}$ иррационально.",
        "证明 $\\sqrt{2}$ 是无理数。",
        "أثبت أن $\\sqrt{2}$ عدد غير نسبي.",
    ],
)
def test_notation_is_seen_in_every_language(text: str) -> None:
    assert explain(text).tier is not Tier.FAST
    assert "mathematical notation" in explain(text).reasons


def test_code_is_named_as_a_reason() -> None:
    text = "def f(xs):\n    return [g(x) for x in xs if x]\n\nFix the bug in this function."
    assert {"code", "defines functions", "function calls"} & set(explain(text).reasons)


def _least_cpu_seconds(text: str) -> float:
    """The least of some, because other work on the processor only ever adds."""
    spent = []
    for _ in range(7):
        before = time.thread_time()
        explain(text)
        spent.append(time.thread_time() - before)
    return min(spent)
