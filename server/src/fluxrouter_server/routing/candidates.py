"""Which models may serve a request, in order of preference; which of them does, money decides.

A request names a model (by id or as `flux-pinned-<id>`) and gets that one or a denial. Or it names
an alias for a tier, or for `auto`, and gets the tier's models in the catalog's order, followed by
those of each cheaper tier, the nearest first: admission takes the first that fits in full, so near
a cap a cheaper model answers before a request is denied or its output is shrunk. A dearer tier is
never a fallback; only the choice for `auto` goes up, where no model of a tier can serve at all.
"""

from collections.abc import Callable, Sequence
from typing import Literal

from fluxrouter_server.domain.catalog import Catalog, Model, Tier
from fluxrouter_server.domain.catalog_rules import AUTO, PINNED_PREFIX
from fluxrouter_server.domain.denials import Denial
from fluxrouter_server.domain.holds import Candidate
from fluxrouter_server.domain.ids import KeyName, ModelId
from fluxrouter_server.domain.limits import Limits
from fluxrouter_server.domain.requests import RouteQuery
from fluxrouter_server.domain.values import per_call_value
from fluxrouter_server.routing.fitness import Demand, Unfit, demand_of, fit
from fluxrouter_server.routing.refusals import model_not_found, nobody_fits
from fluxrouter_server.routing.rules import TierChooser, TierDecision

#: Bounds the work of the admit script; whoever is denied by so many models is denied by the rest.
MAX_CANDIDATES = 16

_TIERS = tuple(Tier)
_TIER_BY_NAME = {tier.value: tier for tier in Tier}


@per_call_value
class CandidateList:
    """Models that can serve, best first and at least one.

    `tier` is the tier that was asked for or chosen, None where a model was asked for. `tiers` says
    of each candidate which tier it serves; it is empty without a tier. `decision` is how the tier
    was chosen, None where it was asked for.
    """

    candidates: tuple[Candidate, ...]
    tier: Tier | None
    tiers: tuple[Tier, ...]
    reasons: tuple[str, ...]
    decision: TierDecision | None = None

    def reasons_for(self, model: ModelId) -> tuple[str, ...]:
        """Say in words why this tier, and why the candidate that was admitted."""
        if self.tier is None:
            return self.reasons
        names = [candidate.model for candidate in self.candidates]
        if model not in names:  # a replay may name a model that is no candidate any more
            return self.reasons
        place = names.index(model)
        tier = self.tiers[place]
        if tier is not self.tier and self.tier not in self.tiers:
            why = f"{model} is of the cheaper tier {tier}: no model of {self.tier} can serve"
        elif tier is not self.tier:
            why = (
                f"{model} is of the cheaper tier {tier}: nothing better fits the money that is left"
            )
        elif place:
            why = (
                f"{model} is number {place + 1} of the tier: nothing before it fits the money left"
            )
        else:
            why = f"{model} is the first of the tier that can serve"
        return (*self.reasons, why)


def candidates_for(
    query: RouteQuery,
    limits: Limits,
    catalog: Catalog,
    *,
    key: KeyName | None,
    now_us: int,
    chooser: TierChooser,
    healthy: Callable[[Model], bool],
) -> CandidateList | Denial:
    """Return the models that can serve a request, or why none can.

    `query` is valid. `key` is the API key in use, None without one. `now_us` is the instant whose
    rates apply. `chooser` is asked only where the request leaves the tier open. `healthy` says
    whether a model's upstream answers.
    """
    asked = resolve_model(query.model, catalog)
    if asked is None:
        return model_not_found(query.model, limits, catalog, key)
    demand = demand_of(query, limits, catalog, key=key, now_us=now_us, healthy=healthy)
    if isinstance(asked, Model):
        found = fit(asked, demand)
        if isinstance(found, Unfit):
            return nobody_fits((found,), demand)
        return CandidateList((found,), None, (), (f"{asked.id} was asked for",))
    if query.tier is not None:
        return _of_tier(query.tier, (f"the tier {query.tier} was asked for",), demand)
    if isinstance(asked, Tier):
        return _of_tier(asked, (f"{query.model} is the tier {asked}",), demand)
    return _of_chosen_tier(chooser, demand)


def resolve_model(name: str, catalog: Catalog) -> Model | Tier | Literal["auto"] | None:
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


def _of_chosen_tier(chooser: TierChooser, demand: Demand) -> CandidateList | Denial:
    fits, unfits = _fits(_TIERS, demand)
    if not fits:
        return nobody_fits(unfits, demand)
    permitted = tuple(tier for tier in _TIERS if any(tier is of for of, _ in fits))
    decision = chooser.choose(demand.query.text, permitted)
    return _listed(decision.tier, decision.reasons, fits, decision)


def _of_tier(tier: Tier, reasons: tuple[str, ...], demand: Demand) -> CandidateList | Denial:
    fits, unfits = _fits(_TIERS[: _TIERS.index(tier) + 1], demand)
    return _listed(tier, reasons, fits) if fits else nobody_fits(unfits, demand)


def _fits(
    tiers: Sequence[Tier], demand: Demand
) -> tuple[list[tuple[Tier, Candidate]], list[Unfit]]:
    """Who can serve and who cannot, with their tiers, dearest tier first."""
    fits: list[tuple[Tier, Candidate]] = []
    unfits: list[Unfit] = []
    models = demand.catalog.models
    for tier in reversed(tiers):
        for model_id in demand.catalog.tiers.get(tier, ()):
            model = models.get(model_id)
            if model is None:
                continue
            found = fit(model, demand)
            if isinstance(found, Unfit):
                unfits.append(found)
            else:
                fits.append((tier, found))
    return fits, unfits


def _listed(
    tier: Tier,
    reasons: tuple[str, ...],
    fits: Sequence[tuple[Tier, Candidate]],
    decision: TierDecision | None = None,
) -> CandidateList:
    """The candidates of a tier and of the cheaper ones, each model once."""
    cheap_enough = _TIERS[: _TIERS.index(tier) + 1]
    first: dict[ModelId, tuple[Tier, Candidate]] = {}
    for fitting in fits:
        if fitting[0] in cheap_enough:
            first.setdefault(fitting[1].model, fitting)
    kept = list(first.values())[:MAX_CANDIDATES]
    return CandidateList(
        candidates=tuple([candidate for _, candidate in kept]),
        tier=tier,
        tiers=tuple([of for of, _ in kept]),
        reasons=reasons,
        decision=decision,
    )
