"""The catalog on the wire: lanes, models, tiers and aliases, with prices as decimal strings."""

from collections.abc import Mapping, Sequence
from typing import TypeVar

from fluxrouter.v1 import catalog_pb2
from fluxrouter_server.api.field_reader import FieldReader
from fluxrouter_server.api.wire_metadata import (
    API_VERSION,
    check_header,
    cluster_wide_name,
    object_meta,
    resource_status,
)
from fluxrouter_server.api.wire_rate_cards import rate_card_messages, read_rate_cards
from fluxrouter_server.api.wire_routing import read_routing, routing_message
from fluxrouter_server.domain.catalog import (
    Alias,
    Capability,
    Catalog,
    Lane,
    Model,
    Protocol,
    Tier,
    Upstream,
    UpstreamEndpoint,
)
from fluxrouter_server.domain.ids import LaneId, ModelId
from fluxrouter_server.domain.limits import CatalogRecord
from fluxrouter_server.domain.names import validate_unique

__all__ = ["CATALOG_NAME", "KIND", "catalog_message", "read_catalog"]

K = TypeVar("K")
V = TypeVar("V")

KIND = "Catalog"
#: There is one catalog, and this is its name.
CATALOG_NAME = "default"
#: One token a byte, which no byte-level tokenizer exceeds (Model.tokens_per_kilobyte).
_DEFAULT_TOKENS_PER_KILOBYTE = 1000
#: As long as the providers' own SDKs wait.
_DEFAULT_TIMEOUT_SECONDS = 600


def read_catalog(message: catalog_pb2.Catalog, reader: FieldReader) -> Catalog:
    """Returns the catalog with all defaults filled in.

    Only what cannot be represented is noted here (amounts, instants, closed sets, ids that stand
    twice); whether the catalog makes sense is for its rules to say.
    """
    check_header(message, KIND, reader)
    if cluster_wide_name(message.metadata, KIND, reader) not in {"", CATALOG_NAME}:
        reader.wrong("metadata.name", f"must be {CATALOG_NAME}: there is one catalog")
    spec, at = message.spec, reader.at("spec")
    lanes = [_read_lane(lane, at.at(f"lanes[{i}]")) for i, lane in enumerate(spec.lanes)]
    models = [_read_model(model, at.at(f"models[{i}]")) for i, model in enumerate(spec.models)]
    aliases = [Alias(id=alias.id, target=alias.target) for alias in spec.aliases]
    upstreams = [
        _read_upstream(one, at.at(f"upstreams[{i}]")) for i, one in enumerate(spec.upstreams)
    ]
    return Catalog(
        lanes=_by_id("lanes", [(lane.id, lane) for lane in lanes], at),
        models=_by_id("models", [(model.id, model) for model in models], at),
        tiers=_read_tiers(spec.tiers, at),
        aliases=_by_id("aliases", [(alias.id, alias) for alias in aliases], at),
        input_margin_percent=spec.input_margin_percent,
        upstreams=_by_id("upstreams", [(one.name, one) for one in upstreams], at, field="name"),
        routing=read_routing(spec.routing),
        labels=dict(message.metadata.labels),
        annotations=dict(message.metadata.annotations),
    )


def catalog_message(record: CatalogRecord) -> catalog_pb2.Catalog:
    """Returns the stored catalog as a resource, defaults included."""
    catalog = record.catalog
    return catalog_pb2.Catalog(
        api_version=API_VERSION,
        kind=KIND,
        metadata=object_meta(CATALOG_NAME, catalog.labels, catalog.annotations),
        spec=catalog_pb2.CatalogSpec(
            lanes=[_lane_message(lane) for lane in catalog.lanes.values()],
            models=[_model_message(model) for model in catalog.models.values()],
            tiers=[
                catalog_pb2.TierSpec(tier=tier, models=models)
                for tier, models in catalog.tiers.items()
            ],
            aliases=[
                catalog_pb2.Alias(id=alias.id, target=alias.target)
                for alias in catalog.aliases.values()
            ],
            input_margin_percent=catalog.input_margin_percent,
            upstreams=[
                catalog_pb2.Upstream(
                    name=upstream.name,
                    base_url=upstream.base_url,
                    credential_variable=upstream.credential_variable,
                    timeout_seconds=upstream.timeout_seconds,
                    endpoints=[
                        catalog_pb2.UpstreamEndpoint(
                            address=one.address, weight=one.weight, zone=one.zone
                        )
                        for one in upstream.endpoints
                    ],
                )
                for upstream in catalog.upstreams.values()
            ],
            routing=routing_message(catalog.routing),
        ),
        status=resource_status(record.generation, record.update_us),
    )


def _read_lane(message: catalog_pb2.Lane, at: FieldReader) -> Lane:
    return Lane(
        id=LaneId(at.required_text("id", message.id)),
        display_name=message.display_name,
        rate_cards=read_rate_cards(message.rate_cards, at, has_output=True),
    )


def _read_model(message: catalog_pb2.Model, at: FieldReader) -> Model:
    protocols = at.choices("protocols", message.protocols, Protocol)
    return Model(
        id=ModelId(at.required_text("id", message.id)),
        display_name=message.display_name,
        lane=LaneId(at.required_text("lane", message.lane)),
        rate_cards=read_rate_cards(
            message.rate_cards, at, has_output=protocols != {Protocol.EMBEDDINGS}
        ),
        context_window_tokens=message.context_window_tokens,
        max_output_tokens=message.max_output_tokens,
        default_output_tokens=message.default_output_tokens or message.max_output_tokens,
        tokens_per_kilobyte=message.tokens_per_kilobyte or _DEFAULT_TOKENS_PER_KILOBYTE,
        image_tokens=message.image_tokens,
        capabilities=at.choices("capabilities", message.capabilities, Capability),
        protocols=protocols,
        upstream=message.upstream,
        upstream_model=message.upstream_model or message.id,
    )


def _read_upstream(message: catalog_pb2.Upstream, at: FieldReader) -> Upstream:
    return Upstream(
        name=at.required_text("name", message.name),
        base_url=at.required_text("base_url", message.base_url),
        credential_variable=message.credential_variable,
        timeout_seconds=message.timeout_seconds or _DEFAULT_TIMEOUT_SECONDS,
        endpoints=tuple(
            UpstreamEndpoint(
                at.required_text(f"endpoints[{i}].address", one.address), one.weight or 1, one.zone
            )
            for i, one in enumerate(message.endpoints)
        ),
    )


def _read_tiers(
    messages: Sequence[catalog_pb2.TierSpec], at: FieldReader
) -> Mapping[Tier, tuple[ModelId, ...]]:
    tiers = []
    for index, message in enumerate(messages):
        field = f"tiers[{index}].tier"
        # The stand-in of a wrong or empty name is never seen: the reader has noted it.
        tier = at.choice(field, at.required_text(field, message.tier), Tier, default=Tier.FAST)
        if message.tier == tier:
            tiers.append((tier, tuple(map(ModelId, message.models))))
    return _by_id("tiers", tiers, at, field="tier")


def _by_id(
    path: str, items: Sequence[tuple[K, V]], at: FieldReader, *, field: str = "id"
) -> Mapping[K, V]:
    """Returns the items by id, in their order, and notes an id that stands twice."""
    at.note(validate_unique(path, [str(key) for key, _ in items], field=field))
    return dict(items)


def _lane_message(lane: Lane) -> catalog_pb2.Lane:
    return catalog_pb2.Lane(
        id=lane.id,
        display_name=lane.display_name,
        rate_cards=rate_card_messages(lane.rate_cards),
    )


def _model_message(model: Model) -> catalog_pb2.Model:
    return catalog_pb2.Model(
        id=model.id,
        display_name=model.display_name,
        lane=model.lane,
        rate_cards=rate_card_messages(model.rate_cards),
        context_window_tokens=model.context_window_tokens,
        max_output_tokens=model.max_output_tokens,
        default_output_tokens=model.default_output_tokens,
        tokens_per_kilobyte=model.tokens_per_kilobyte,
        image_tokens=model.image_tokens,
        capabilities=sorted(model.capabilities),
        protocols=sorted(model.protocols),
        upstream=model.upstream,
        upstream_model=model.upstream_model,
    )
