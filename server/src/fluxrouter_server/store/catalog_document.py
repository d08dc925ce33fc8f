"""The catalog as bytes; see `document_frame` for what all documents have in common."""

from collections.abc import Iterable
from typing import Any

from fluxrouter_server.domain.catalog import (
    Alias,
    Capability,
    Catalog,
    Lane,
    Model,
    Protocol,
    Tier,
    TierCosts,
    TierPolicy,
    TierRouting,
    Upstream,
    UpstreamEndpoint,
)
from fluxrouter_server.domain.ids import LaneId, ModelId
from fluxrouter_server.domain.pricing import RateCard, Rates
from fluxrouter_server.store.document_frame import pack, sorted_pairs, unpack

__all__ = ["decode_catalog", "encode_catalog"]


def encode_catalog(catalog: Catalog) -> bytes:
    """Write the catalog; the order of lanes, models, tiers and aliases is part of it."""
    return pack(
        [[lane.id, lane.display_name, _cards(lane.rate_cards)] for lane in catalog.lanes.values()],
        [_model(model) for model in catalog.models.values()],
        [[tier, models] for tier, models in catalog.tiers.items()],
        [[alias.id, alias.target] for alias in catalog.aliases.values()],
        catalog.input_margin_percent,
        sorted_pairs(catalog.labels),
        sorted_pairs(catalog.annotations),
        [
            [
                *(one.name, one.base_url, one.credential_variable, one.timeout_seconds),
                [[end.address, end.weight, end.zone] for end in one.endpoints],
            ]
            for one in catalog.upstreams.values()
        ],
        _routing(catalog.routing),
    )


def decode_catalog(document: bytes) -> Catalog:
    """Read the catalog; raises StoreRefused where the bytes are none that this server knows."""
    return unpack("catalog", document, _read_catalog)


def _read_catalog(fields: list[Any]) -> Catalog:
    lanes, models, tiers, aliases, input_margin_percent, labels, annotations, *more = fields
    upstreams = more[0] if more else ()  # written before there were any
    routing = _read_routing(*more[1]) if len(more) > 1 else TierRouting()  # and before this
    return Catalog(
        lanes={LaneId(i): Lane(LaneId(i), name, _read_cards(cards)) for i, name, cards in lanes},
        models={ModelId(model[0]): _read_model(model) for model in models},
        tiers={Tier(tier): tuple(map(ModelId, models)) for tier, models in tiers},
        aliases={i: Alias(i, target) for i, target in aliases},
        input_margin_percent=input_margin_percent,
        labels=dict(labels),
        annotations=dict(annotations),
        upstreams={one[0]: _read_upstream(one) for one in upstreams},
        routing=routing,
    )


def _read_upstream(fields: list[Any]) -> Upstream:
    name, base_url, variable, timeout_seconds, *more = fields
    endpoints = more[0] if more else ()  # written before there were any
    ends = tuple(UpstreamEndpoint(*end) for end in endpoints)
    return Upstream(name, base_url, variable, timeout_seconds, ends)


def _routing(routing: TierRouting) -> list[object]:
    costs = routing.costs
    return [
        _policy(routing.active),
        None if routing.shadow is None else _policy(routing.shadow),
        [costs.fast, costs.standard, costs.reasoning],
    ]


def _policy(policy: TierPolicy) -> list[object]:
    return [policy.model_sha256, policy.model_file, policy.cost_dial_percent]


def _read_routing(
    active: list[Any], shadow: list[Any] | None, costs: list[int], *_: object
) -> TierRouting:
    return TierRouting(
        active=TierPolicy(*active),
        shadow=None if shadow is None else TierPolicy(*shadow),
        costs=TierCosts(*costs),
    )


def _model(model: Model) -> list[object]:
    return [
        model.id,
        model.display_name,
        model.lane,
        _cards(model.rate_cards),
        model.context_window_tokens,
        model.max_output_tokens,
        model.default_output_tokens,
        model.tokens_per_kilobyte,
        model.image_tokens,
        sorted(model.capabilities),
        sorted(model.protocols),
        model.upstream,
        model.upstream_model,
    ]


def _read_model(fields: list[Any]) -> Model:
    return Model(
        id=ModelId(fields[0]),
        display_name=fields[1],
        lane=LaneId(fields[2]),
        rate_cards=_read_cards(fields[3]),
        context_window_tokens=fields[4],
        max_output_tokens=fields[5],
        default_output_tokens=fields[6],
        tokens_per_kilobyte=fields[7],
        image_tokens=fields[8],
        capabilities=frozenset(map(Capability, fields[9])),
        protocols=frozenset(map(Protocol, fields[10])),
        upstream=fields[11],
        upstream_model=fields[12],
    )


def _cards(cards: Iterable[RateCard]) -> list[list[int | None]]:
    return [
        [
            card.effective_us,
            card.rates.input_nano_usd,
            card.rates.cached_input_nano_usd,
            card.rates.cache_write_nano_usd,
            card.rates.output_nano_usd,
        ]
        for card in cards
    ]


def _read_cards(cards: list[Any]) -> tuple[RateCard, ...]:
    return tuple(RateCard(effective_us, Rates(*rates)) for effective_us, *rates in cards)
