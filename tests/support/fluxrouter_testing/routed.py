"""Routes requests over the full catalog, and answers in the form that a test wants to look at."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

from fluxrouter_server.domain.accounts import KeyLimits, NearCap
from fluxrouter_server.domain.catalog import Catalog, Model, Tier
from fluxrouter_server.domain.denials import Denial
from fluxrouter_server.domain.holds import Candidate
from fluxrouter_server.domain.ids import AccountUid, KeyName, ModelId
from fluxrouter_server.domain.limits import (
    AccountRecord,
    CatalogRecord,
    Generation,
    Limits,
    PlanRecord,
    resolve,
)
from fluxrouter_server.domain.requests import RouteQuery
from fluxrouter_server.routing.candidates import CandidateList, candidates_for
from fluxrouter_server.routing.rules import TierDecision
from fluxrouter_server.routing.shortlists import Shortlists
from fluxrouter_testing.catalogs import full_catalog
from fluxrouter_testing.resources import sample_account, sample_plan

GENERATION = Generation(1, "00000001")
#: A key that may use `fast-eyes` alone.
CI = KeyName("ci")
#: The models of the tiers, best first.
FAST, STANDARD, REASONING = (
    [ModelId(f"{tier}-1"), ModelId(f"{tier}-eyes")] for tier in ("fast", "standard", "reasoning")
)


@dataclass
class Always:
    """Chooses one tier, or the cheapest permitted, and remembers what was permitted."""

    tier: Tier | None = None
    permitted: Sequence[Tier] = ()

    def choose(self, text: str, permitted: Sequence[Tier]) -> TierDecision:
        """Choose, with the length of the text as the reason."""
        self.permitted = permitted
        return TierDecision(self.tier or permitted[0], (f"{len(text)} characters",))


def limits(*, near_cap: NearCap = NearCap.CHEAPER_LANE, **plan: Any) -> Limits:  # noqa: ANN401 - a value of any field
    """Limits under the Free plan with changes."""
    keys = (KeyLimits(CI, None, None, frozenset({ModelId("fast-eyes")})),)
    account = replace(sample_account(), keys=keys, near_cap=near_cap)
    return resolve(
        AccountRecord(AccountUid("a" * 16), account, (), False, GENERATION, 0),
        PlanRecord(replace(sample_plan(), **plan), GENERATION, 0),
        CatalogRecord(full_catalog(), GENERATION, 0),
    )


def route(
    model: str,
    *,
    catalog: Catalog | None = None,
    under: Limits | None = None,
    key: KeyName | None = None,
    chooser: Always | None = None,
    sick: Sequence[str] = (),
    **query: Any,  # noqa: ANN401 - a value of any field
) -> CandidateList | Denial:
    """The answer for a query; `sick` are models whose upstream fails."""
    return candidates_for(
        RouteQuery(model=model, **query),
        Shortlists(under or limits(), catalog or full_catalog()),
        key=key,
        now_us=1_000,
        chooser=chooser or Always(),
        healthy=lambda one: one.id not in sick,
    )


def found(*args: Any, **kwargs: Any) -> CandidateList:  # noqa: ANN401 - those of `route`
    """The candidates, which there must be."""
    answer = route(*args, **kwargs)
    assert isinstance(answer, CandidateList), answer
    return answer


def only(*args: Any, **kwargs: Any) -> Candidate:  # noqa: ANN401 - those of `route`
    """The one candidate, which there must be."""
    (candidate,) = found(*args, **kwargs).candidates
    return candidate


def models(*args: Any, **kwargs: Any) -> list[ModelId]:  # noqa: ANN401 - those of `route`
    """The ids of the candidates, which there must be."""
    return [candidate.model for candidate in found(*args, **kwargs).candidates]


def denied(*args: Any, **kwargs: Any) -> Denial:  # noqa: ANN401 - those of `route`
    """The denial, which there must be."""
    answer = route(*args, **kwargs)
    assert isinstance(answer, Denial), answer
    return answer


def changed(model: str, **changes: Any) -> Catalog:  # noqa: ANN401 - a value of any field
    """The full catalog with one model changed."""
    catalog = full_catalog()
    one: Model = replace(catalog.models[ModelId(model)], **changes)
    return replace(catalog, models={**catalog.models, one.id: one})
