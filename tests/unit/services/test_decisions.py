from collections.abc import Callable
from dataclasses import replace

import pytest

from fluxrouter_server.domain.accounts import KeyRecord, KeyState, PaymentMethod
from fluxrouter_server.domain.denials import Denial, Reason
from fluxrouter_server.domain.ids import KeyName, LaneId, ModelId, RequestId
from fluxrouter_server.domain.keys import format_api_key, hash_api_key
from fluxrouter_server.domain.plans import Enforcement
from fluxrouter_server.domain.pricing import Usage
from fluxrouter_server.domain.requests import RouteQuery
from fluxrouter_server.services.callers import LOCAL, AccountRef
from fluxrouter_server.services.ports.errors import StoreUnavailable
from fluxrouter_server.services.ports.telemetry import Counter
from fluxrouter_server.services.routing_service import Routed
from fluxrouter_testing.catalogs import full_catalog
from fluxrouter_testing.port_doubles import NOON_US
from fluxrouter_testing.resources import sample_account, sample_plan
from fluxrouter_testing.use_cases import ACCOUNT, BY_NAME, UseCases

QUERY = RouteQuery(model="fast-1", input_tokens=10)


async def route(
    world: UseCases, query: RouteQuery = QUERY, account: AccountRef = BY_NAME
) -> Routed | Denial:
    return await world.route.route(query, account, LOCAL, time_left_us=None)


async def reason(
    world: UseCases, query: RouteQuery = QUERY, account: AccountRef = BY_NAME
) -> Reason | None:
    answer = await route(world, query, account)
    return answer.reason if isinstance(answer, Denial) else None


def changing(world: UseCases, times: int) -> Callable[[], None]:
    """Changes the plan before each of so many decisions."""
    left = times

    def change() -> None:
        nonlocal left
        if left:
            left -= 1
            record = world.documents.plans[sample_plan().name]
            generation = replace(record.generation, nonce=f"new{left:05x}")
            world.documents.plans[record.plan.name] = replace(record, generation=generation)

    return change


async def test_a_decision_is_repeated_with_the_documents_of_today(world: UseCases) -> None:
    await route(world)
    await world.documents.put_plan(replace(sample_plan(), lanes=frozenset({LaneId("express")})))
    await route(world)
    assert world.holds.commands[-1].limits.lanes == frozenset({LaneId("express")})


async def test_documents_may_change_three_times_during_a_decision(world: UseCases) -> None:
    world.holds.interfere = changing(world, 3)
    assert await reason(world) is None
    assert world.counts.totals[Counter.STALE] == 3


async def test_documents_that_never_rest_are_unavailable_without_effect(world: UseCases) -> None:
    world.holds.interfere = changing(world, 4)
    with pytest.raises(StoreUnavailable) as raised:
        await route(world)
    assert not raised.value.outcome_unknown
    assert not world.holds.calls


async def test_stale_documents_never_lose_a_settlement(world: UseCases) -> None:
    routed = await route(world)
    assert isinstance(routed, Routed)
    world.holds.interfere = changing(world, 3)
    receipt = await world.metering.settle(routed.hold.id, Usage(1, 0, 0, 1), LOCAL)
    assert not isinstance(receipt, Denial)


async def test_a_request_without_an_id_keeps_the_one_it_is_given(world: UseCases) -> None:
    world.holds.interfere = changing(world, 2)
    await route(world)
    assert len({command.request_id for command in world.holds.commands}) == 1
    assert len(world.holds.commands) == 3


async def test_a_suspension_that_was_lifted_elsewhere_does_not_deny(world: UseCases) -> None:
    await world.documents.put_account(replace(sample_account(), suspended=True))
    assert await reason(world) is Reason.ACCOUNT_SUSPENDED
    await world.documents.put_account(sample_account())
    assert await reason(world) is None


async def test_a_card_that_was_added_elsewhere_counts_at_once(world: UseCases) -> None:
    bare = replace(sample_account(), payment_method=PaymentMethod.NONE)
    await world.documents.put_account(bare)
    assert await reason(world) is Reason.PAYMENT_METHOD_REQUIRED
    await world.documents.put_account(sample_account())
    assert await reason(world) is None


async def test_a_model_that_was_added_elsewhere_is_found_at_once(world: UseCases) -> None:
    query = replace(QUERY, model="fast-2")
    assert await reason(world, query) is Reason.MODEL_NOT_FOUND
    catalog = full_catalog()
    new = replace(catalog.models[ModelId("fast-1")], id=ModelId("fast-2"))
    await world.documents.put_catalog(replace(catalog, models={**catalog.models, new.id: new}))
    assert await reason(world, query) is None


async def test_a_model_that_a_plan_got_elsewhere_is_allowed_at_once(world: UseCases) -> None:
    narrow = replace(sample_plan(), lanes=frozenset({LaneId("deep-thought")}))
    await world.documents.put_plan(narrow)
    assert await reason(world) is Reason.MODEL_NOT_IN_PLAN
    await world.documents.put_plan(sample_plan())
    assert await reason(world) is None


async def test_an_observed_plan_serves_other_models_and_says_so(world: UseCases) -> None:
    await world.documents.put_plan(
        replace(
            sample_plan(),
            lanes=frozenset({LaneId("deep-thought")}),
            enforcement=Enforcement.OBSERVE,
        )
    )
    answer = await route(world)
    assert isinstance(answer, Routed)
    assert answer.hold.would_deny == Reason.MODEL_NOT_IN_PLAN


async def test_an_observed_plan_does_not_lift_a_suspension(world: UseCases) -> None:
    await world.documents.put_plan(replace(sample_plan(), enforcement=Enforcement.OBSERVE))
    await world.documents.put_account(replace(sample_account(), suspended=True))
    assert await reason(world) is Reason.ACCOUNT_SUSPENDED


async def test_an_account_that_was_moved_off_a_deleted_plan_is_not_refused(
    world: UseCases,
) -> None:
    await route(world)
    await world.documents.put_plan(sample_plan("builder"))
    await world.documents.put_account(replace(sample_account(), plan=sample_plan("builder").name))
    await world.documents.delete_plan(sample_plan().name)
    assert await reason(world) is None


async def test_an_account_whose_plan_is_gone_is_told_which(world: UseCases) -> None:
    await world.documents.delete_plan(sample_plan().name)
    answer = await route(world)
    assert isinstance(answer, Denial)
    assert (answer.reason, answer.facts) == (Reason.RESOURCE_NOT_FOUND, {"plan": "free"})


async def test_an_account_that_is_created_after_a_refusal_is_found(world: UseCases) -> None:
    await world.documents.delete_account(ACCOUNT)
    assert await reason(world) is Reason.RESOURCE_NOT_FOUND
    await world.documents.put_account(sample_account())
    assert await reason(world) is None


async def test_a_name_that_stands_for_another_account_is_followed(world: UseCases) -> None:
    await route(world)
    world.documents.purge(ACCOUNT)
    created = await world.documents.put_account(sample_account())
    await route(world)
    assert world.holds.commands[-1].limits.uid == created.record.uid


async def test_a_key_that_was_made_elsewhere_is_accepted_at_once(world: UseCases) -> None:
    await route(world)
    view = await world.documents.get_account(ACCOUNT)
    assert view is not None
    text = format_api_key(view.record.uid, b"k" * 20)
    by_key = AccountRef(api_key=text)
    assert await reason(world, QUERY, by_key) is Reason.API_KEY_INVALID
    secret = KeyRecord(KeyName("ci"), hash_api_key(text), KeyState.ACTIVE, NOON_US, None)
    await world.documents.put_secrets(
        view.record.uid, expected=view.record.generation, secrets=(secret,)
    )
    assert await reason(world, QUERY, by_key) is None
    assert world.holds.commands[-1].key_name == "ci"


async def test_the_store_refuses_what_arrives_after_the_caller_has_gone(world: UseCases) -> None:
    await world.route.route(QUERY, BY_NAME, LOCAL, time_left_us=1_000)
    assert world.holds.commands[-1].deadline_us == NOON_US + 1_000


async def test_a_patient_caller_does_not_keep_a_late_admission_alive(world: UseCases) -> None:
    await world.route.route(QUERY, BY_NAME, LOCAL, time_left_us=60_000_000)
    assert world.holds.commands[-1].deadline_us == NOON_US + 250_000


async def test_a_repeated_request_is_marked_as_replayed(world: UseCases) -> None:
    query = replace(QUERY, request_id=RequestId("same"))
    first, second = await route(world, query), await route(world, query)
    assert isinstance(first, Routed)
    assert isinstance(second, Routed)
    assert (first.replayed, second.replayed) == (False, True)


async def test_a_wrong_request_is_refused_before_the_store_is_asked(world: UseCases) -> None:
    answer = await route(world, replace(QUERY, attempt=0))
    assert isinstance(answer, Denial)
    assert [violation.field for violation in answer.violations] == ["attempt"]
    assert not world.holds.commands
