"""ONCE: a replay is answered as one, even by a replica that would deny the request today."""

from dataclasses import replace

import pytest

from fluxrouter_server.domain.catalog import Catalog
from fluxrouter_server.domain.denials import Denial, Reason
from fluxrouter_server.domain.ids import LaneId, ModelId, RequestId
from fluxrouter_server.domain.plans import Plan, RateLimits
from fluxrouter_server.domain.requests import RouteQuery
from fluxrouter_server.services.callers import LOCAL
from fluxrouter_server.services.control_service import Document
from fluxrouter_server.services.routing_service import Routed
from fluxrouter_testing.catalogs import full_catalog
from fluxrouter_testing.replicas import Replica, Replicas
from fluxrouter_testing.resources import sample_account, sample_plan
from fluxrouter_testing.use_cases import BY_NAME

QUERY = RouteQuery(
    model="fast-1", input_tokens=10, max_output_tokens=10, request_id=RequestId("mine")
)


def fast_plan() -> Plan:
    return replace(sample_plan(), rate_limits=RateLimits())


async def apply(both: Replicas, *documents: Document) -> None:
    done = await both.here.control.apply(documents, validate_only=False)
    assert not isinstance(done, Denial), done


async def ask(replica: Replica, query: RouteQuery = QUERY) -> Routed | Denial:
    return await replica.route.route(query, BY_NAME, LOCAL, time_left_us=None)


@pytest.fixture
async def first(both: Replicas) -> Routed:
    await apply(both, fast_plan())
    routed = await ask(both.here)
    assert isinstance(routed, Routed)
    return routed


async def is_replayed_everywhere(both: Replicas, first: Routed) -> None:
    for replica in (both.here, both.there):
        again = await ask(replica)
        assert isinstance(again, Routed), again
        assert (again.replayed, again.hold) == (True, first.hold)


def _without(catalog: Catalog, gone: ModelId) -> Catalog:
    return replace(
        catalog,
        models={name: model for name, model in catalog.models.items() if name != gone},
        tiers={
            tier: tuple(name for name in names if name != gone)
            for tier, names in catalog.tiers.items()
        },
        aliases={name: alias for name, alias in catalog.aliases.items() if alias.target != gone},
    )


async def test_a_request_whose_model_has_gone_since(both: Replicas, first: Routed) -> None:
    await apply(both, _without(full_catalog(), ModelId("fast-1")))
    await is_replayed_everywhere(both, first)
    new = await ask(both.there, replace(QUERY, request_id=RequestId("new")))
    assert isinstance(new, Denial)
    assert new.reason is Reason.MODEL_NOT_FOUND


async def test_a_request_that_the_plan_no_longer_lets_through(
    both: Replicas, first: Routed
) -> None:
    await apply(both, replace(fast_plan(), lanes=frozenset({LaneId("deep-thought")})))
    await is_replayed_everywhere(both, first)
    new = await ask(both.there, replace(QUERY, request_id=RequestId("new")))
    assert isinstance(new, Denial)
    assert new.reason is Reason.MODEL_NOT_IN_PLAN


@pytest.mark.usefixtures("first")
async def test_another_request_under_the_same_id_is_refused_as_such(
    both: Replicas,
) -> None:
    await apply(both, replace(fast_plan(), lanes=frozenset({LaneId("deep-thought")})))
    other = await ask(both.there, replace(QUERY, input_tokens=11))
    assert isinstance(other, Denial)
    assert other.reason is Reason.REQUEST_ID_REUSED


@pytest.mark.usefixtures("first")
async def test_a_suspended_account_is_told_that_and_not_what_it_had(
    both: Replicas,
) -> None:
    await apply(both, replace(sample_account(), suspended=True))
    for replica in (both.here, both.there):
        again = await ask(replica)
        assert isinstance(again, Denial)
        assert again.reason is Reason.ACCOUNT_SUSPENDED
