"""What a catalog must be like to be accepted."""

import re
from collections.abc import Iterator
from typing import Final

from fluxrouter_server.domain.catalog import (
    Alias,
    Capability,
    Catalog,
    Lane,
    Model,
    Protocol,
    Tier,
)
from fluxrouter_server.domain.checks import (
    are_known,
    at_most,
    in_range,
    is_metadata,
    is_short,
    listed,
)
from fluxrouter_server.domain.denials import FieldViolation
from fluxrouter_server.domain.names import shown, validate_unique
from fluxrouter_server.domain.plan_rules import MAX_DISPLAY_NAME_CHARACTERS
from fluxrouter_server.domain.pricing import MAX_RATE_NANO_USD, MAX_TOKENS, RateCard
from fluxrouter_server.domain.upstream_rules import validate_upstreams

#: What an alias can stand for besides tiers and models: the tier is chosen from the request.
AUTO: Final = "auto"
#: `flux-pinned-<model id>` asks for that very model.
PINNED_PREFIX = "flux-pinned-"
MAX_LANES = 64
MAX_MODELS = 1000
MAX_ALIASES = 1000
MAX_TIER_MODELS = 64
MAX_RATE_CARDS = 100
MAX_MARGIN_PERCENT = 100
# The densest tokenizers make a few tokens of one byte at most; more is a slip of the decimal point.
MAX_TOKENS_PER_KILOBYTE = 100_000

_LANE_ID = re.compile(r"[a-z0-9-]{1,63}", re.ASCII)
_MODEL_ID = re.compile(r"[A-Za-z0-9._:/-]{1,128}", re.ASCII)
_MODEL_ID_RULE = "use 1 to 128 letters, digits, -, _, ., : and /"
_MAX_UPSTREAM_CHARACTERS = 256
# An alias's target says only one of three things, so no model may be called like the others.
_WORDS = frozenset({AUTO, *Tier})


def validate_catalog(catalog: Catalog) -> tuple[FieldViolation, ...]:
    """Say what of a catalog is wrong, each with its path in the resource and what would be right.

    Ids that come twice are gone from the mappings: what reads the lists of a document asks
    `names.validate_unique` about them.
    """
    return (
        *is_metadata(catalog.labels, catalog.annotations),
        *_lanes(catalog),
        *_models(catalog),
        *_tiers(catalog),
        *_aliases(catalog),
        *in_range(
            "spec.inputMarginPercent",
            catalog.input_margin_percent,
            low=0,
            high=MAX_MARGIN_PERCENT,
        ),
        *validate_upstreams(catalog.upstreams.values()),
    )


def _lanes(catalog: Catalog) -> Iterator[FieldViolation]:
    if not catalog.lanes:
        yield FieldViolation("spec.lanes", "there is no lane; describe at least one")
    yield from at_most("spec.lanes", catalog.lanes, count=MAX_LANES)
    for index, lane in enumerate(catalog.lanes.values()):
        yield from _lane(f"spec.lanes[{index}]", lane)


def _lane(path: str, lane: Lane) -> Iterator[FieldViolation]:
    if not _LANE_ID.fullmatch(lane.id):
        yield FieldViolation(
            f"{path}.id",
            f"{shown(lane.id)} is no lane id; use 1 to 63 lower-case letters, digits and -",
        )
    yield from is_short(
        f"{path}.displayName", lane.display_name, characters=MAX_DISPLAY_NAME_CHARACTERS
    )
    yield from _rate_cards(f"{path}.rateCards", lane.rate_cards)


def _rate_cards(path: str, cards: tuple[RateCard, ...]) -> Iterator[FieldViolation]:
    yield from at_most(path, cards, count=MAX_RATE_CARDS)
    times = ["the beginning" if c.effective_us is None else str(c.effective_us) for c in cards]
    yield from validate_unique(path, times, field="effectiveTime")
    for index, card in enumerate(cards):
        if card.effective_us is not None and card.effective_us < 0:
            yield FieldViolation(
                f"{path}[{index}].effectiveTime", "it lies before 1970; leave it out"
            )
        for name, rate in (
            ("inputUsdPerMillion", card.rates.input_nano_usd),
            ("cachedInputUsdPerMillion", card.rates.cached_input_nano_usd),
            ("cacheWriteUsdPerMillion", card.rates.cache_write_nano_usd),
            ("outputUsdPerMillion", card.rates.output_nano_usd),
        ):
            yield from in_range(
                f"{path}[{index}].{name}",
                rate,
                low=0,
                high=MAX_RATE_NANO_USD,
                remedy="0 to 9000 USD for 1,000,000 tokens",
            )


def _models(catalog: Catalog) -> Iterator[FieldViolation]:
    yield from at_most("spec.models", catalog.models, count=MAX_MODELS)
    for index, model in enumerate(catalog.models.values()):
        path = f"spec.models[{index}]"
        yield from _model_identity(path, model)
        yield from are_known(f"{path}.lane", [model.lane], known=catalog.lanes, what="lane")
        yield from _rate_cards(f"{path}.rateCards", model.rate_cards)
        yield from _model_sizes(path, model)


def _model_identity(path: str, model: Model) -> Iterator[FieldViolation]:
    if not _MODEL_ID.fullmatch(model.id):
        yield FieldViolation(f"{path}.id", f"{shown(model.id)} is no model id; {_MODEL_ID_RULE}")
    if model.id in _WORDS or model.id.startswith(PINNED_PREFIX):
        yield FieldViolation(
            f"{path}.id", f"{model.id} has a meaning of its own in requests; choose another id"
        )
    yield from is_short(
        f"{path}.displayName", model.display_name, characters=MAX_DISPLAY_NAME_CHARACTERS
    )
    for name, text in (("upstream", model.upstream), ("upstreamModel", model.upstream_model)):
        yield from is_short(f"{path}.{name}", text, characters=_MAX_UPSTREAM_CHARACTERS)
    if not model.protocols:
        yield FieldViolation(
            f"{path}.protocols", f"it speaks none; list at least one of {', '.join(Protocol)}"
        )


def _model_sizes(path: str, model: Model) -> Iterator[FieldViolation]:
    window = model.context_window_tokens
    yield from in_range(f"{path}.contextWindowTokens", window, low=1, high=MAX_TOKENS)
    only_embeds = model.protocols == {Protocol.EMBEDDINGS}
    yield from in_range(
        f"{path}.maxOutputTokens",
        model.max_output_tokens,
        low=0 if only_embeds else 1,
        high=window,
        remedy=f"1 to the context window of {window}",
    )
    yield from in_range(
        f"{path}.defaultOutputTokens",
        model.default_output_tokens,
        low=min(1, model.max_output_tokens),
        high=model.max_output_tokens,
        remedy=f"1 to the maxOutputTokens of {model.max_output_tokens}, or 0 for that very number",
    )
    yield from in_range(
        f"{path}.tokensPerKilobyte",
        model.tokens_per_kilobyte,
        low=1,
        high=MAX_TOKENS_PER_KILOBYTE,
        remedy=f"1 to {MAX_TOKENS_PER_KILOBYTE}, or 0 for 1000",
    )
    sees = Capability.VISION in model.capabilities
    yield from in_range(
        f"{path}.imageTokens",
        model.image_tokens,
        low=1 if sees else 0,
        high=MAX_TOKENS,
        remedy=f"1 to {MAX_TOKENS}: the tokens of one image, which vision needs" if sees else "",
    )


def _tiers(catalog: Catalog) -> Iterator[FieldViolation]:
    missing = [tier for tier in Tier if not catalog.tiers.get(tier)]
    if missing:
        yield FieldViolation(
            "spec.tiers",
            f"no models for {', '.join(missing)}; list at least one for each of {', '.join(Tier)}",
        )
    for index, models in enumerate(catalog.tiers.values()):
        path = f"spec.tiers[{index}].models"
        yield from at_most(path, models, count=MAX_TIER_MODELS)
        yield from are_known(path, models, known=catalog.models, what="model")
        for position, model_id in enumerate(models):
            item = f"{path}[{position}]"
            if model_id in models[:position]:
                yield FieldViolation(item, f"{shown(model_id)} is listed twice; remove one")
            model = catalog.models.get(model_id)
            if model is not None and model.protocols == {Protocol.EMBEDDINGS}:
                yield FieldViolation(
                    item, f"{model_id} makes embeddings only and answers nothing; remove it"
                )


def _aliases(catalog: Catalog) -> Iterator[FieldViolation]:
    yield from at_most("spec.aliases", catalog.aliases, count=MAX_ALIASES)
    for index, alias in enumerate(catalog.aliases.values()):
        yield from _alias(f"spec.aliases[{index}]", alias, catalog)


def _alias(path: str, alias: Alias, catalog: Catalog) -> Iterator[FieldViolation]:
    if not _MODEL_ID.fullmatch(alias.id):
        yield FieldViolation(f"{path}.id", f"{shown(alias.id)} is no alias; {_MODEL_ID_RULE}")
    if alias.id in catalog.models:
        yield FieldViolation(f"{path}.id", f"{alias.id} is a model's id; choose another name")
    if alias.id.startswith(PINNED_PREFIX):
        yield FieldViolation(
            f"{path}.id", f"{PINNED_PREFIX}… always asks for a model; choose another name"
        )
    if alias.target not in _WORDS and alias.target not in catalog.models:
        yield FieldViolation(
            f"{path}.target",
            f"{shown(alias.target)} is nothing to stand for; use {listed(sorted(_WORDS))} "
            "or a model's id",
        )
