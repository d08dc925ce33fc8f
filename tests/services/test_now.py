"""NOW: what was acknowledged by one replica is what the other decides by."""

from dataclasses import replace

import pytest

from fluxrouter_server.domain.accounts import PaymentMethod
from fluxrouter_server.domain.denials import Denial, Reason
from fluxrouter_server.domain.ids import LaneId, ModelId
from fluxrouter_server.domain.plans import Plan, RateLimits
from fluxrouter_server.domain.requests import RouteQuery
from fluxrouter_server.services.callers import LOCAL, AccountRef
from fluxrouter_server.services.control_service import Document, Kind
from fluxrouter_server.services.key_service import NewKey
from fluxrouter_server.services.routing_service import Routed
from fluxrouter_testing.catalogs import full_catalog
from fluxrouter_testing.replicas import Replica, Replicas
from fluxrouter_testing.resources import sample_account, sample_plan
from fluxrouter_testing.use_cases import ACCOUNT, BY_NAME

QUERY = RouteQuery(model="fast-1", input_tokens=10, max_output_tokens=10)


def fast_plan() -> Plan:
    return replace(sample_plan(), rate_limits=RateLimits())


@pytest.fixture(autouse=True)
async def remembered(both: Replicas) -> None:
    """Both replicas have decided before, so both remember what is about to change."""
    await apply(both, fast_plan())
    for replica in (both.here, both.there):
        assert await reason(replica) is None


async def apply(both: Replicas, *documents: Document) -> None:
    done = await both.here.control.apply(documents, validate_only=False)
    assert not isinstance(done, Denial), done


async def reason(
    replica: Replica, query: RouteQuery = QUERY, account: AccountRef = BY_NAME
) -> Reason | None:
    answer = await replica.route.route(query, account, LOCAL, time_left_us=None)
    return answer.reason if isinstance(answer, Denial) else None


async def make_key(both: Replicas) -> AccountRef:
    made = await both.here.keys.create(ACCOUNT, "ci")
    assert isinstance(made, NewKey)
    return AccountRef(api_key=made.secret)


async def test_a_suspension_and_its_end(both: Replicas) -> None:
    await apply(both, replace(sample_account(), suspended=True))
    assert await reason(both.there) is Reason.ACCOUNT_SUSPENDED
    await apply(both, sample_account())
    assert await reason(both.there) is None


async def test_a_payment_method_that_goes_and_comes(both: Replicas) -> None:
    await apply(both, replace(sample_account(), payment_method=PaymentMethod.NONE))
    assert await reason(both.there) is Reason.PAYMENT_METHOD_REQUIRED
    await apply(both, sample_account())
    assert await reason(both.there) is None


async def test_a_plan_that_narrows_and_widens(both: Replicas) -> None:
    await apply(both, replace(fast_plan(), lanes=frozenset({LaneId("deep-thought")})))
    assert await reason(both.there) is Reason.MODEL_NOT_IN_PLAN
    await apply(both, fast_plan())
    assert await reason(both.there) is None


async def test_a_cap_that_falls_and_rises(both: Replicas) -> None:
    await apply(both, replace(fast_plan(), cap_nano_usd=0))
    assert await reason(both.there) is Reason.CAP_REACHED
    await apply(both, fast_plan())
    assert await reason(both.there) is None


async def test_another_plan_of_an_account(both: Replicas) -> None:
    closed = replace(sample_plan("closed"), cap_nano_usd=0)
    await apply(both, closed, replace(sample_account(), plan=closed.name))
    assert await reason(both.there) is Reason.CAP_REACHED


async def test_a_model_that_comes_and_goes(both: Replicas) -> None:
    query = replace(QUERY, model="fast-2")
    assert await reason(both.there, query) is Reason.MODEL_NOT_FOUND
    catalog = full_catalog()
    new = replace(catalog.models[ModelId("fast-1")], id=ModelId("fast-2"))
    await apply(both, replace(catalog, models={**catalog.models, new.id: new}))
    assert await reason(both.there, query) is None
    await apply(both, catalog)
    assert await reason(both.there, query) is Reason.MODEL_NOT_FOUND


async def test_a_new_price_is_on_the_next_hold(both: Replicas) -> None:
    catalog = full_catalog()
    model = catalog.models[ModelId("fast-1")]
    dear = replace(model, lane=LaneId("deep-thought"))
    await apply(both, replace(catalog, models={**catalog.models, model.id: dear}))
    routed = await both.there.route.route(QUERY, BY_NAME, LOCAL, time_left_us=None)
    assert isinstance(routed, Routed)
    assert routed.hold.rates.input_nano_usd == 4_000_000_000


async def test_a_key_that_is_made_and_revoked(both: Replicas) -> None:
    by_key = await make_key(both)
    assert await reason(both.there, QUERY, by_key) is None
    await both.here.keys.revoke(ACCOUNT, "ci")
    assert await reason(both.there, QUERY, by_key) is Reason.API_KEY_INVALID


async def test_a_rotated_key_ends_with_its_grace(both: Replicas) -> None:
    old = await make_key(both)
    made = await both.here.keys.rotate(ACCOUNT, "ci", grace_seconds=60)
    assert isinstance(made, NewKey)
    assert await reason(both.there, QUERY, old) is None
    both.stores.clock.advance(60)
    assert await reason(both.there, QUERY, old) is Reason.API_KEY_INVALID
    assert await reason(both.there, QUERY, AccountRef(api_key=made.secret)) is None


async def test_an_account_that_is_deleted_and_revived(both: Replicas) -> None:
    await both.here.control.delete(Kind.ACCOUNT, [ACCOUNT], ignore_missing=False)
    assert await reason(both.there) is Reason.RESOURCE_NOT_FOUND
    await apply(both, sample_account())
    assert await reason(both.there) is None


async def test_what_may_be_asked_for(both: Replicas) -> None:
    await apply(both, replace(fast_plan(), lanes=frozenset({LaneId("deep-thought")})))
    offer = await both.there.route.list_models(BY_NAME, LOCAL)
    assert not isinstance(offer, Denial)
    assert [offered.model.id for offered in offer.models] == ["reasoning-1", "reasoning-eyes"]
    assert "small" not in [alias.id for alias in offer.aliases]
