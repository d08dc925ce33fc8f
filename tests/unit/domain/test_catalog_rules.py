from dataclasses import replace
from typing import Any

import pytest

from fluxrouter_server.domain.catalog import (
    Alias,
    Capability,
    Catalog,
    Lane,
    Model,
    Protocol,
    Tier,
    rates_of,
)
from fluxrouter_server.domain.catalog_rules import validate_catalog
from fluxrouter_server.domain.ids import LaneId, ModelId
from fluxrouter_server.domain.pricing import MAX_RATE_NANO_USD, RateCard, Rates
from fluxrouter_testing.catalogs import full_catalog

FAST, EMBEDDER = ModelId("fast-1"), ModelId("embedder")
EXPRESS = LaneId("express")
RATES = Rates(1, 1, 1, 1)


def with_model(name: ModelId = FAST, **changes: Any) -> Catalog:  # noqa: ANN401 - any field
    catalog = full_catalog()
    model = replace(catalog.models[name], **changes)
    return replace(catalog, models={**catalog.models, name: model})


def with_express(**changes: Any) -> Catalog:  # noqa: ANN401 - any field
    catalog = full_catalog()
    lane = replace(catalog.lanes[EXPRESS], **changes)
    return replace(catalog, lanes={**catalog.lanes, EXPRESS: lane})


def with_alias(name: str, target: str) -> Catalog:
    return replace(full_catalog(), aliases={name: Alias(name, target)})


def with_tier(tier: Tier, *models: str) -> Catalog:
    catalog = full_catalog()
    return replace(catalog, tiers={**catalog.tiers, tier: tuple(map(ModelId, models))})


def with_card(card: RateCard, *more: RateCard) -> Catalog:
    return with_express(rate_cards=(card, *more))


WRONG = {
    "no lane": (replace(full_catalog(), lanes={}, models={}), "spec.lanes"),
    "lane id": (with_express(id=LaneId("Express")), "spec.lanes[0].id"),
    "lane name": (with_express(display_name="x" * 129), "spec.lanes[0].displayName"),
    "too many cards": (
        with_express(rate_cards=tuple(RateCard(n, RATES) for n in range(101))),
        "spec.lanes[0].rateCards",
    ),
    "two cards from the beginning": (
        with_card(RateCard(None, RATES), RateCard(None, RATES)),
        "spec.lanes[0].rateCards[1].effectiveTime",
    ),
    "two cards at once": (
        with_card(RateCard(None, RATES), RateCard(5, RATES), RateCard(5, RATES)),
        "spec.lanes[0].rateCards[2].effectiveTime",
    ),
    "card before 1970": (
        with_card(RateCard(-5, RATES)),
        "spec.lanes[0].rateCards[0].effectiveTime",
    ),
    "absurd rate": (
        with_card(RateCard(None, Rates(1, MAX_RATE_NANO_USD + 1, 1, 1))),
        "spec.lanes[0].rateCards[0].cachedInputUsdPerMillion",
    ),
    "negative rate of a model": (
        with_model(rate_cards=(RateCard(None, Rates(1, 1, 1, -1)),)),
        "spec.models[0].rateCards[0].outputUsdPerMillion",
    ),
    "model id": (with_model(id=ModelId("a b")), "spec.models[0].id"),
    "model id too long": (with_model(id=ModelId("a" * 129)), "spec.models[0].id"),
    "model called auto": (with_model(id=ModelId("auto")), "spec.models[0].id"),
    "model called like a tier": (with_model(id=ModelId("fast")), "spec.models[0].id"),
    "model called pinned": (with_model(id=ModelId("flux-pinned-x")), "spec.models[0].id"),
    "unknown lane": (with_model(lane=LaneId("slow")), "spec.models[0].lane"),
    "no window": (with_model(EMBEDDER, context_window_tokens=0), "spec.models[6]."),
    "huge window": (
        with_model(context_window_tokens=10**9),
        "spec.models[0].contextWindowTokens",
    ),
    "no output": (
        with_model(max_output_tokens=0, default_output_tokens=0),
        "spec.models[0].maxOutputTokens",
    ),
    "output above the window": (
        with_model(max_output_tokens=128_001),
        "spec.models[0].maxOutputTokens",
    ),
    "default above the maximum": (
        with_model(default_output_tokens=8_001),
        "spec.models[0].defaultOutputTokens",
    ),
    "default of nothing": (
        with_model(default_output_tokens=0),
        "spec.models[0].defaultOutputTokens",
    ),
    "no tokens in a text": (with_model(tokens_per_kilobyte=0), "spec.models[0].tokensPerKilobyte"),
    "negative image": (with_model(image_tokens=-1), "spec.models[0].imageTokens"),
    "vision for nothing": (
        with_model(capabilities=frozenset({Capability.VISION})),
        "spec.models[0].imageTokens",
    ),
    "no protocol": (with_model(protocols=frozenset()), "spec.models[0].protocols"),
    "upstream": (with_model(upstream="x" * 257), "spec.models[0].upstream"),
    "missing tier": (replace(full_catalog(), tiers={}), "spec.tiers"),
    "empty tier": (with_tier(Tier.STANDARD), "spec.tiers"),
    "unknown model in a tier": (with_tier(Tier.FAST, "fast-1", "gone"), "spec.tiers[0].models"),
    "model twice in a tier": (
        with_tier(Tier.FAST, "fast-1", "fast-1"),
        "spec.tiers[0].models[1]",
    ),
    "embeddings in a tier": (with_tier(Tier.FAST, "embedder"), "spec.tiers[0].models[0]"),
    "alias called like a model": (with_alias("fast-1", "auto"), "spec.aliases[0].id"),
    "alias called pinned": (with_alias("flux-pinned-fast-1", "auto"), "spec.aliases[0].id"),
    "alias with a space": (with_alias("flux auto", "auto"), "spec.aliases[0].id"),
    "alias for nothing": (with_alias("flux", "gone"), "spec.aliases[0].target"),
    "alias for an alias": (
        replace(full_catalog(), aliases={"a": Alias("a", "b"), "b": Alias("b", "auto")}),
        "spec.aliases[0].target",
    ),
    "negative margin": (
        replace(full_catalog(), input_margin_percent=-1),
        "spec.inputMarginPercent",
    ),
    "margin of more than all": (
        replace(full_catalog(), input_margin_percent=101),
        "spec.inputMarginPercent",
    ),
    "huge annotations": (
        replace(full_catalog(), annotations={"a": "x" * 300_000}),
        "metadata.annotations",
    ),
}


def test_the_full_catalog_is_accepted() -> None:
    assert validate_catalog(full_catalog()) == ()


@pytest.mark.parametrize("catalog,path", WRONG.values(), ids=WRONG)
def test_what_is_wrong_is_named_with_its_path_and_a_remedy(catalog: Catalog, path: str) -> None:
    violations = validate_catalog(catalog)
    assert path in {violation.field for violation in violations} or any(
        violation.field.startswith(path) for violation in violations if path.endswith(".")
    )
    assert all(len(violation.description.split()) > 4 for violation in violations)


def test_a_lane_or_model_without_a_price_is_accepted_because_it_is_never_served() -> None:
    assert validate_catalog(with_express(rate_cards=())) == ()


def test_a_model_that_only_embeds_needs_no_output() -> None:
    catalog = full_catalog()
    assert catalog.models[EMBEDDER].max_output_tokens == 0
    assert catalog.models[EMBEDDER].protocols == {Protocol.EMBEDDINGS}
    assert validate_catalog(catalog) == ()


def test_a_model_costs_what_its_own_cards_say_and_else_what_its_lane_says() -> None:
    own = RateCard(100, RATES)
    catalog = with_model(rate_cards=(own,))
    express = catalog.lanes[EXPRESS].rate_cards[0].rates
    assert rates_of(catalog.models[FAST], catalog, 100) == RATES
    assert rates_of(catalog.models[ModelId("fast-eyes")], catalog, 100) == express


def test_a_model_with_own_cards_is_never_sold_at_its_lanes_price() -> None:
    catalog = with_model(rate_cards=(RateCard(100, RATES),))
    assert rates_of(catalog.models[FAST], catalog, 99) is None


def test_a_model_of_a_lane_that_is_gone_has_no_price() -> None:
    catalog = replace(full_catalog(), lanes=dict[LaneId, Lane]())
    model: Model = catalog.models[FAST]
    assert rates_of(model, catalog, 0) is None
