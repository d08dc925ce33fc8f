"""The life of a request and of a month, through the use cases."""

from dataclasses import replace

from fluxrouter_server.domain.denials import Denial, Reason
from fluxrouter_server.domain.holds import Hold, HoldState, Receipt
from fluxrouter_server.domain.ids import Principal, RequestId
from fluxrouter_server.domain.plans import RateLimits
from fluxrouter_server.domain.pricing import Usage
from fluxrouter_server.domain.requests import RouteQuery
from fluxrouter_server.services.callers import LOCAL, Caller, Scope
from fluxrouter_server.services.cap_service import Spend
from fluxrouter_server.services.control_service import Kind
from fluxrouter_server.services.metering_service import RequestRef
from fluxrouter_server.services.ports.holds import Extended, Fit
from fluxrouter_server.services.routing_service import Routed
from fluxrouter_testing.replicas import Replica, Replicas
from fluxrouter_testing.resources import sample_plan
from fluxrouter_testing.use_cases import ACCOUNT, BY_NAME

QUERY = RouteQuery(
    model="fast-1",
    request_id=RequestId("r-1"),
    input_tokens=1_000,
    max_output_tokens=1_000,
)
#: 1,000 tokens at $1 for a million and 1,000 at $4; the input may be billed as a cache write.
WORST_NANO_USD = 1_250_000 + 4_000_000
USAGE = Usage(1_000, 0, 0, 500)
MONTH_SECONDS = 31 * 86_400


async def route(replica: Replica, query: RouteQuery = QUERY) -> Routed:
    answer = await replica.route.route(query, BY_NAME, LOCAL, time_left_us=None)
    assert isinstance(answer, Routed), answer
    return answer


async def hold(replica: Replica, query: RouteQuery = QUERY) -> Hold:
    return (await route(replica, query)).hold


async def spent(replica: Replica) -> tuple[int, int]:
    """What is settled and held."""
    spend = await replica.caps.get_spend(BY_NAME, LOCAL)
    assert isinstance(spend, Spend)
    month = spend.reading.levels[0]
    return month.settled_nano_usd, month.held_nano_usd


async def spend_all(both: Replicas) -> None:
    done = await both.here.control.apply(
        [replace(sample_plan(), cap_nano_usd=WORST_NANO_USD, rate_limits=RateLimits())],
        validate_only=False,
    )
    assert not isinstance(done, Denial)
    held = await hold(both.here)
    usage = Usage(0, 0, 1_000, 1_000)
    assert isinstance(await both.here.metering.settle(held.id, usage, LOCAL), Receipt)


async def test_an_admission_holds_the_worst_case(both: Replicas) -> None:
    await hold(both.here)
    assert await spent(both.there) == (0, WORST_NANO_USD)


async def test_a_settlement_by_another_replica_charges_what_was_used(both: Replicas) -> None:
    held = await hold(both.here)
    receipt = await both.there.metering.settle(held.id, USAGE, LOCAL)
    assert isinstance(receipt, Receipt)
    assert receipt.billed_nano_usd == 1_000_000 + 2_000_000
    assert await spent(both.here) == (receipt.billed_nano_usd, 0)


async def test_a_repeated_settlement_answers_the_first_receipt(both: Replicas) -> None:
    held = await hold(both.here)
    first = await both.here.metering.settle(held.id, USAGE, LOCAL)
    second = await both.there.metering.settle(held.id, Usage(1, 0, 0, 1), LOCAL)
    assert isinstance(first, Receipt)
    assert second == replace(first, replayed=True)


async def test_a_repeated_route_is_told_apart_from_an_admission(both: Replicas) -> None:
    first = await route(both.here)
    again = await route(both.there)
    assert (first.replayed, again.replayed) == (False, True)
    assert again.hold.id == first.hold.id


async def test_another_body_under_a_known_id_is_refused(both: Replicas) -> None:
    await route(both.here)
    other = replace(QUERY, input_tokens=1)
    answer = await both.there.route.route(other, BY_NAME, LOCAL, time_left_us=None)
    assert isinstance(answer, Denial)
    assert answer.reason is Reason.REQUEST_ID_REUSED


async def test_a_request_is_released_without_its_hold_id(both: Replicas) -> None:
    await route(both.here)
    target = RequestRef(BY_NAME, QUERY.request_id, 1)
    receipt = await both.there.metering.release(target, LOCAL)
    assert isinstance(receipt, Receipt)
    assert receipt.state is HoldState.RELEASED
    assert await spent(both.here) == (0, 0)


async def test_a_hold_is_extended_while_an_answer_runs(both: Replicas) -> None:
    held = await hold(both.here)
    answer = await both.there.metering.extend(
        held.id, output_tokens=2_000, expire_us=None, caller=LOCAL
    )
    assert isinstance(answer, Extended)
    assert answer.held_nano_usd == WORST_NANO_USD + 4_000_000


async def test_a_hold_outlives_its_account_and_plan(both: Replicas) -> None:
    held = await hold(both.here)
    control = both.here.control
    await control.delete(Kind.ACCOUNT, [ACCOUNT], ignore_missing=False)
    assert await control.delete(Kind.PLAN, ["free"], ignore_missing=False) == ("free",)
    receipt = await both.there.metering.settle(held.id, USAGE, LOCAL)
    assert isinstance(receipt, Receipt), receipt
    assert receipt.billed_nano_usd == 1_000_000 + 2_000_000


async def test_somebody_elses_hold_stays(both: Replicas) -> None:
    held = await hold(both.here)
    other = Caller(Principal("service/other"), frozenset({Scope.ROUTE}))
    refused = await both.there.metering.settle(held.id, USAGE, other)
    assert isinstance(refused, Denial)
    assert refused.reason is Reason.HOLD_NOT_YOURS


async def test_a_meter_credential_settles_for_others(both: Replicas) -> None:
    held = await hold(both.here)
    meter = Caller(Principal("service/meter"), frozenset({Scope.METER}))
    assert isinstance(await both.there.metering.settle(held.id, USAGE, meter), Receipt)


async def test_a_check_foretells_and_changes_nothing(both: Replicas) -> None:
    fit = await both.here.caps.check(QUERY, BY_NAME, LOCAL)
    assert isinstance(fit, Fit)
    assert (fit.denial, fit.need_nano_usd) == (None, WORST_NANO_USD)
    assert await spent(both.here) == (0, 0)


async def test_a_spent_month_is_refused_and_the_next_one_is_not(both: Replicas) -> None:
    await spend_all(both)
    more = replace(QUERY, request_id=RequestId("r-2"))
    refused = await both.there.route.route(more, BY_NAME, LOCAL, time_left_us=None)
    assert isinstance(refused, Denial)
    assert refused.reason is Reason.CAP_REACHED
    both.stores.clock.advance(MONTH_SECONDS)
    assert await spent(both.there) == (0, 0)
    assert not (await route(both.there, more)).replayed


async def test_both_replicas_know_the_third_month(both: Replicas) -> None:
    await hold(both.here)
    both.stores.clock.advance(MONTH_SECONDS)
    second = await hold(both.there, replace(QUERY, request_id=RequestId("r-2")))
    both.stores.clock.advance(MONTH_SECONDS)
    third = await hold(both.here, replace(QUERY, request_id=RequestId("r-3")))
    assert second.period_end_us < third.period_end_us
