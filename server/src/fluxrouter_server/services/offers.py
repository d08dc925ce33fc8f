"""What an account may ask for."""

from dataclasses import dataclass

from fluxrouter_server.domain.catalog import Alias, Catalog, Model, rates_of
from fluxrouter_server.domain.ids import KeyName, ModelId
from fluxrouter_server.domain.limits import Limits, may_use
from fluxrouter_server.domain.pricing import Rates
from fluxrouter_server.services.callers import KeyIdentity
from fluxrouter_server.services.limits_cache import Snapshot


@dataclass(frozen=True, slots=True)
class OfferedModel:
    """A model that an account may ask for; `rates` is None where no rate card is in force."""

    model: Model
    rates: Rates | None


@dataclass(frozen=True, slots=True)
class Offer:
    """What an account may ask for, by id."""

    models: tuple[OfferedModel, ...]
    aliases: tuple[Alias, ...]


def offer_of(key: KeyIdentity | None, snapshot: Snapshot, now_us: int) -> Offer:
    """Return what plan and key allow, at the rates of the instant."""
    catalog = snapshot.catalog.catalog
    name = key.name if key else None
    models = sorted(catalog.models.values(), key=_id)
    return Offer(
        models=tuple(
            OfferedModel(model, rates_of(model, catalog, now_us))
            for model in models
            if may_use(snapshot.limits, model, name)
        ),
        aliases=tuple(
            alias
            for alias in sorted(catalog.aliases.values(), key=_id)
            if _may_ask(alias, catalog, snapshot.limits, name)
        ),
    )


def _may_ask(alias: Alias, catalog: Catalog, limits: Limits, key: KeyName | None) -> bool:
    model = catalog.models.get(ModelId(alias.target))
    # A tier, or `auto`, is open to everybody: it is served by what they may use.
    return model is None or may_use(limits, model, key)


def _id(item: Model | Alias) -> str:
    return item.id
