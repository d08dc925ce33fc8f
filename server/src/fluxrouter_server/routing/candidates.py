"""Which models may serve a request, in order of preference; which of them does, money decides.

A request names a model (by id or as `flux-pinned-<id>`) and gets that one or a denial. Or it names
an alias for a tier, or for `auto`, and gets the tier's models in the catalog's order, followed by
those of each cheaper tier, the nearest first: admission takes the first that fits in full, so near
a cap a cheaper model answers before a request is denied or its output is shrunk. (An account may
rather have that; then only its tier's models are listed.) A dearer tier is never a fallback; only
the choice for `auto` goes up, where no model of a tier can serve at all.
"""

from collections.abc import Callable

from fluxrouter_server.domain.accounts import NearCap
from fluxrouter_server.domain.catalog import Model, Tier
from fluxrouter_server.domain.catalog_rules import AUTO
from fluxrouter_server.domain.denials import Denial
from fluxrouter_server.domain.holds import Candidate
from fluxrouter_server.domain.ids import KeyName, ModelId
from fluxrouter_server.domain.requests import RouteQuery
from fluxrouter_server.domain.values import per_call_value
from fluxrouter_server.routing.fitness import (
    Demand,
    capabilities_of,
    sized,
    text_bytes_of,
    why_unfit,
)
from fluxrouter_server.routing.refusals import model_not_found, nobody_fits
from fluxrouter_server.routing.rules import TierChooser, TierDecision
from fluxrouter_server.routing.shortlists import Kind, Shortlist, Shortlists

#: Bounds the work of the admit script; whoever is denied by so many models is denied by the rest.
MAX_CANDIDATES = 16


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

    def tier_of(self, model: ModelId) -> Tier | None:
        """Return the tier that a candidate serves; None without tiers, or where it is none."""
        for candidate, tier in zip(self.candidates, self.tiers, strict=False):
            if candidate.model == model:
                return tier
        return None

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
    shortlists: Shortlists,
    *,
    key: KeyName | None,
    now_us: int,
    chooser: TierChooser,
    healthy: Callable[[Model], bool],
) -> CandidateList | Denial:
    """Return the models that can serve a request, or why none can.

    `query` is valid. `shortlists` are those of the account's documents. `key` is the API key in
    use, None without one. `now_us` is the instant whose rates apply. `chooser` is asked only where
    the request leaves the tier open. `healthy` says whether a model's upstream answers.
    """
    capabilities = capabilities_of(query)
    kind = Kind(query.model, query.tier, query.protocol, capabilities, key)
    shortlist = shortlists.of(kind, now_us)
    limits, catalog = shortlists.limits, shortlists.catalog
    if shortlist is None:
        return model_not_found(query.model, limits, catalog, key)
    size = text_bytes_of(query)
    demand = Demand(query, capabilities, size, limits, catalog, key, now_us, healthy)
    able = _able(shortlist, demand)
    if not able.candidates:
        return nobody_fits([why_unfit(model, demand) for model in shortlist.considered], demand)
    if shortlist.asked != AUTO or query.tier is not None:
        return able.listed(shortlist.tier, (_why(query, shortlist),))
    permitted = tuple([tier for tier in Tier if tier in able.tiers])
    decision = chooser.choose(query.text, permitted)
    chosen = Kind(query.model, decision.tier, query.protocol, capabilities, key)
    cheap_enough = shortlists.of(chosen, now_us) or shortlist
    return _able(cheap_enough, demand).listed(decision.tier, decision.reasons, decision)


@per_call_value
class _Able:
    """Who can serve, with the tier of each where it has one."""

    candidates: list[Candidate]
    tiers: list[Tier]
    near_cap: NearCap

    @property
    def affordable(self) -> int:
        """How many of them, from the first on, may answer where money is short.

        What an account says of that is about money alone: where no model of its tier can serve for
        another reason, those of the nearest cheaper tier may.
        """
        if self.near_cap is NearCap.CHEAPER_LANE or not self.tiers:
            return len(self.candidates)
        return self.tiers.count(self.tiers[0])  # each tier's models stand together

    def listed(
        self, tier: Tier | None, reasons: tuple[str, ...], decision: TierDecision | None = None
    ) -> CandidateList:
        most = min(MAX_CANDIDATES, self.affordable)
        return CandidateList(
            tuple(self.candidates[:most]), tier, tuple(self.tiers[:most]), reasons, decision
        )


def _able(shortlist: Shortlist, demand: Demand) -> _Able:
    """Those of a shortlist whose window is large enough and whose upstream answers."""
    avoid, healthy = demand.query.avoid, demand.healthy
    candidates: list[Candidate] = []
    tiers: list[Tier] = []
    for listed in shortlist.listed:
        model = listed.model
        if model.id in avoid or not healthy(model):
            continue
        candidate = sized(model, listed.priced, demand)
        if candidate is not None:
            candidates.append(candidate)
            if listed.tier is not None:
                tiers.append(listed.tier)
    return _Able(candidates, tiers, demand.limits.near_cap)


def _why(query: RouteQuery, shortlist: Shortlist) -> str:
    if isinstance(shortlist.asked, Model):
        return f"{shortlist.asked.id} was asked for"
    if query.tier is not None:
        return f"the tier {shortlist.tier} was asked for"
    return f"{query.model} is the tier {shortlist.tier}"
