"""The tier model is a part of the catalog: in force on every replica at once, and back as fast."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from copy import deepcopy
from http.client import HTTPConnection

import grpc
import pytest

from fluxrouter.v1 import catalog_pb2, control_pb2, router_pb2
from fluxrouter_server.calibration.shipped import default_model
from fluxrouter_server.domain.catalog import Tier
from fluxrouter_server.routing.model_file import write_model
from fluxrouter_server.routing.tier_model import TierModel
from fluxrouter_server.routing.tier_policies import pack_model
from fluxrouter_testing.customers import Connection, account, connected, plan
from fluxrouter_testing.fleet import Fleet, running_fleet
from fluxrouter_testing.refusals import refused
from fluxrouter_testing.tier_models import tier_model, tier_weights

SMALL_TALK = "Hello there, how are you today?"
#: Only the dearest tier is any good, whatever is asked.
DEAR = tier_model(*(tier_weights(tier, 4.0 * n - 4.0) for n, tier in enumerate(Tier)), name="dear")


@pytest.fixture(scope="module")
def pair(transport: str) -> Iterator[Fleet]:  # noqa: ARG001 - a fleet for each
    """Two replicas with a store of their own, for there is one catalog to a store."""
    with running_fleet(servers=2) as started:
        yield started


@pytest.fixture
async def replicas(
    pair: Fleet, catalog: list[control_pb2.Resource]
) -> AsyncIterator[list[Connection]]:
    """A connection to each; the example catalog is in force."""
    async with AsyncExitStack() as stack:
        both = [await stack.enter_async_context(connected(one.address)) for one in pair.servers]
        await both[0].apply(*catalog, plan("tiers", "100.00"), account("tiers", "tiers"))
        yield both


def policy(model: TierModel, dial: int = 50) -> catalog_pb2.TierPolicy:
    return catalog_pb2.TierPolicy(
        model_sha256=model.sha256,
        model_file=pack_model(write_model(model)),
        cost_dial_percent=dial,
    )


def with_routing(
    catalog: list[control_pb2.Resource], routing: catalog_pb2.Routing
) -> control_pb2.Resource:
    changed = deepcopy(catalog[0])
    changed.catalog.spec.routing.CopyFrom(routing)
    return changed


async def choice(replica: Connection) -> router_pb2.RouteResponse:
    request = router_pb2.RouteRequest(
        account="tiers", model="flux-auto", text=SMALL_TALK, max_output_tokens=10
    )
    return await replica.router.Route(request, timeout=10)


async def test_another_model_decides_on_every_replica_at_once_and_the_old_catalog_takes_it_back(
    replicas: list[Connection], catalog: list[control_pb2.Resource]
) -> None:
    assert [(await choice(replica)).tier for replica in replicas] == ["fast", "fast"]
    changed = with_routing(catalog, catalog_pb2.Routing(active=policy(DEAR)))
    for _ in range(2):
        await replicas[0].apply(changed)
        answers = [await choice(replica) for replica in replicas]
        assert [answer.tier for answer in answers] == ["reasoning", "reasoning"]
        assert {answer.tier_choice.model_sha256 for answer in answers} == {DEAR.sha256}

        await replicas[1].apply(*catalog)
        answers = [await choice(replica) for replica in replicas]
        assert [answer.tier for answer in answers] == ["fast", "fast"]
        assert {answer.tier_choice.model_sha256 for answer in answers} == {default_model().sha256}


async def test_the_dial_is_in_force_on_every_replica_at_once(
    replicas: list[Connection], catalog: list[control_pb2.Resource]
) -> None:
    for dial, tier in ((100, "fast"), (0, "reasoning"), (100, "fast")):
        await replicas[1].apply(
            with_routing(catalog, catalog_pb2.Routing(active=policy(DEAR, dial)))
        )
        assert [(await choice(replica)).tier for replica in replicas] == [tier, tier]


async def test_the_catalog_that_is_read_can_be_applied_as_the_way_back(
    replicas: list[Connection], catalog: list[control_pb2.Resource]
) -> None:
    await replicas[0].apply(with_routing(catalog, catalog_pb2.Routing(active=policy(DEAR))))
    read = control_pb2.GetRequest(kind=control_pb2.RESOURCE_KIND_CATALOG, names=["default"])
    before = (await replicas[0].control.Get(read)).resources[0]
    await replicas[0].apply(*catalog)
    assert (await choice(replicas[1])).tier == "fast"

    await replicas[1].apply(before)
    assert (await choice(replicas[0])).tier == "reasoning"


async def test_a_shadow_is_told_of_and_counted_and_changes_nothing(
    replicas: list[Connection], catalog: list[control_pb2.Resource], pair: Fleet
) -> None:
    await replicas[0].apply(with_routing(catalog, catalog_pb2.Routing(shadow=policy(DEAR))))
    answer = await choice(replicas[1])
    assert (answer.tier, answer.lane) == ("fast", "express")
    told = answer.tier_choice
    assert (told.shadow_tier, told.shadow_model_sha256) == ("reasoning", DEAR.sha256)
    assert [score.tier for score in told.scores] == list(Tier)
    assert told.margin > 0

    metrics = await asyncio.to_thread(metrics_of, pair.servers[1].metrics_address)
    assert 'fluxrouter_shadow_tier_choices_total{tiers="fast/reasoning"} 1.0' in metrics
    assert 'fluxrouter_tier_choices_total{tier="fast"}' in metrics


async def test_a_tier_that_was_asked_for_is_no_choice(replicas: list[Connection]) -> None:
    request = router_pb2.RouteRequest(
        account="tiers", model="flux-fast", text=SMALL_TALK, max_output_tokens=10
    )
    assert not (await replicas[0].router.Route(request)).HasField("tier_choice")


async def test_a_catalog_whose_model_is_not_what_its_hash_says_is_refused(
    replicas: list[Connection], catalog: list[control_pb2.Resource]
) -> None:
    wrong = policy(DEAR)
    wrong.model_sha256 = "0" * 64
    request = control_pb2.ApplyRequest(
        resources=[with_routing(catalog, catalog_pb2.Routing(active=wrong))]
    )
    refusal = await refused(replicas[0].control.Apply(request))
    assert refusal.code is grpc.StatusCode.INVALID_ARGUMENT
    assert [field for field in refusal.fields if "routing.active.modelFile" in field]
    assert (await choice(replicas[1])).tier == "fast"


def metrics_of(address: str) -> str:
    connection = HTTPConnection(address, timeout=10)
    connection.request("GET", "/metrics")
    text = connection.getresponse().read().decode()
    connection.close()
    return text
