"""Which models may serve a kind of request, worked out once for a set of documents.

Most of what decides who may serve does not depend on how large a request is: the name that was
asked for, protocol and capabilities, plan and key, the rates in force. Requests of one kind share
it, so it is remembered: to work it out again takes as long as half of the rest of a decision.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal, NamedTuple, TypeAlias

from fluxrouter_server.domain.catalog import Capability, Catalog, Model, Protocol, Tier, rates_of
from fluxrouter_server.domain.catalog_rules import AUTO, PINNED_PREFIX
from fluxrouter_server.domain.holds import PricedModel
from fluxrouter_server.domain.ids import KeyName, ModelId
from fluxrouter_server.domain.limits import Limits, may_use
from fluxrouter_server.domain.pricing import RateCard, next_change_us
from fluxrouter_server.routing.fitness import can_answer

__all__ = ["Asked", "Kind", "Listed", "Shortlist", "Shortlists"]

Asked: TypeAlias = Model | Tier | Literal["auto"]
"""What a request's `model` stands for."""

_TIERS: Final = tuple(Tier)
_TIER_BY_NAME: Final = {tier.value: tier for tier in Tier}
_KINDS_REMEMBERED: Final = 256
"""Of one account. Beyond it all are forgotten at once: whoever asks in so many ways is testing."""


class Kind(NamedTuple):
    """What a request asks, but for its size. Its `tier` comes before that of the model's name.

    A named tuple, because it is looked up for each request and those are hashed by C.
    """

    model: str
    tier: Tier | None
    protocol: Protocol | None
    capabilities: frozenset[Capability]
    key: KeyName | None


@dataclass(frozen=True, slots=True)
class Listed:
    """A model that may serve; `tier` is the one that it is listed under, None without a tier."""

    model: Model
    priced: PricedModel
    tier: Tier | None


@dataclass(frozen=True, slots=True)
class Shortlist:
    """Who may serve a kind of request, best first.

    Attributes:
        asked: What the name stands for.
        tier: The tier that is asked for, by field or by name; None for a model and for `auto`.
        listed: Who may serve, unless the request is too large or the upstream does not answer.
        considered: Every model that was looked at, whether it may serve or not.
        tiers: The tier of each that is listed; empty where none has one.
    """

    asked: Asked
    tier: Tier | None
    listed: tuple[Listed, ...]
    considered: tuple[Model, ...]
    tiers: tuple[Tier, ...]


class Shortlists:
    """The shortlists of an account under one set of documents.

    Args:
        limits: What the account may use.
        catalog: What there is.
    """

    __slots__ = ("_from_us", "_known", "_until_us", "catalog", "limits")

    def __init__(self, limits: Limits, catalog: Catalog) -> None:
        self.limits = limits
        self.catalog = catalog
        self._known: dict[Kind, Shortlist] = {}
        # The instants between which no rate changes.
        self._from_us = self._until_us = 0

    def of(self, kind: Kind, now_us: int) -> Shortlist | None:
        """Return who may serve at this instant's rates; None where the name stands for nothing."""
        if not self._from_us <= now_us < self._until_us:
            self._known.clear()
            self._from_us, self._until_us = now_us, next_change_us(self._cards(), now_us)
        found = self._known.get(kind)
        if found is None:
            found = self._work_out(kind, now_us)
            if found is not None:
                if len(self._known) >= _KINDS_REMEMBERED:
                    self._known.clear()
                self._known[kind] = found
        return found

    def _work_out(self, kind: Kind, now_us: int) -> Shortlist | None:
        asked = resolve_model(kind.model, self.catalog)
        if asked is None:
            return None
        if isinstance(asked, Model):
            return self._listing(asked, None, [(asked, None)], (kind, now_us))
        tier = kind.tier or (asked if isinstance(asked, Tier) else None)
        tiers = _TIERS if tier is None else _TIERS[: _TIERS.index(tier) + 1]
        # For `auto` a model stands under each of its tiers, because one of them is yet to be named.
        placed = self._placed(tiers, once=tier is not None)
        return self._listing(asked, tier, placed, (kind, now_us))

    def _placed(self, tiers: tuple[Tier, ...], *, once: bool) -> list[tuple[Model, Tier | None]]:
        """The models of tiers, dearest tier first; with `once` each under its dearest only."""
        models = self.catalog.models
        placed: dict[tuple[ModelId, Tier | None], tuple[Model, Tier | None]] = {}
        for tier in reversed(tiers):
            for model_id in self.catalog.tiers.get(tier, ()):
                if model_id in models:
                    place = (model_id, None if once else tier)
                    placed.setdefault(place, (models[model_id], tier))
        return list(placed.values())

    def _listing(
        self,
        asked: Asked,
        tier: Tier | None,
        placed: list[tuple[Model, Tier | None]],
        wanted: tuple[Kind, int],
    ) -> Shortlist:
        listed = [
            Listed(model, priced, of)
            for model, of in placed
            if (priced := self._priced(model, *wanted)) is not None
        ]
        considered = dict.fromkeys(model.id for model, _ in placed)
        return Shortlist(
            asked=asked,
            tier=tier,
            listed=tuple(listed),
            considered=tuple([self.catalog.models[model_id] for model_id in considered]),
            tiers=tuple([one.tier for one in listed if one.tier is not None]),
        )

    def _priced(self, model: Model, kind: Kind, now_us: int) -> PricedModel | None:
        if can_answer(model, kind.protocol, kind.capabilities) is not None:
            return None
        rates = rates_of(model, self.catalog, now_us)
        if rates is None or not may_use(self.limits, model, kind.key):
            return None
        return PricedModel(model.id, model.lane, model.upstream, model.upstream_model, rates)

    def _cards(self) -> Iterator[RateCard]:
        for lane in self.catalog.lanes.values():
            yield from lane.rate_cards
        for model in self.catalog.models.values():
            yield from model.rate_cards


def resolve_model(name: str, catalog: Catalog) -> Asked | None:
    """Return what a request's `model` stands for: a model, a tier, or `AUTO`; None for nothing.

    A model's id comes before an alias, which the catalog's rules keep from being one.
    """
    model = catalog.models.get(ModelId(name))
    if model is not None:
        return model
    alias = catalog.aliases.get(name)
    if alias is None:
        return catalog.models.get(ModelId(name.removeprefix(PINNED_PREFIX)))
    if alias.target == AUTO:
        return AUTO
    tier = _TIER_BY_NAME.get(alias.target)
    if tier is not None:
        return tier
    return catalog.models.get(ModelId(alias.target))
