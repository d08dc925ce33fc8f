from fluxrouter_server.domain.denials import Reason
from fluxrouter_server.domain.plans import Enforcement, RateLimits
from fluxrouter_testing.hold_documents import DOLLAR, SECOND_US, candidate, free_plan
from fluxrouter_testing.hold_world import HoldWorld


def limit(world: HoldWorld, rates: RateLimits, **changes: object) -> None:
    world.put_plan(
        free_plan(
            cap_nano_usd=100 * DOLLAR,
            included_credit_nano_usd=100 * DOLLAR,
            rate_limits=rates,
            **changes,
        )
    )


def test_one_request_a_second_lets_one_through_and_not_two(world: HoldWorld) -> None:
    limit(world, RateLimits(requests_per_second=1, request_burst=1))
    world.admit()
    denial = world.deny()
    assert denial.reason is Reason.RATE_LIMITED
    assert denial.retry_after_us == SECOND_US


def test_the_retry_delay_is_exact_to_the_microsecond(world: HoldWorld) -> None:
    limit(world, RateLimits(requests_per_second=3, request_burst=2))
    world.admit()
    world.admit()
    wait_us = world.deny().retry_after_us
    assert wait_us is not None
    world.now_us += wait_us - 1
    assert world.deny().reason is Reason.RATE_LIMITED
    world.now_us += 1
    world.admit()


def test_a_burst_passes_at_once_and_refills_evenly(world: HoldWorld) -> None:
    limit(world, RateLimits(requests_per_second=10, request_burst=5))
    for _ in range(5):
        world.admit()
    world.deny()
    world.advance(0.1)
    world.admit()
    world.deny()
    world.advance(100)
    for _ in range(5):
        world.admit()
    world.deny()


def test_a_denied_request_uses_up_no_rate(world: HoldWorld) -> None:
    limit(world, RateLimits(requests_per_second=1, request_burst=1))
    world.admit()
    world.advance(0.5)
    for _ in range(20):
        world.deny()
    world.advance(0.5)
    world.admit()


def test_a_denial_for_money_uses_up_no_rate(world: HoldWorld) -> None:
    limit(world, RateLimits(1, 1, 60_000, 60_000))
    tat = world.counter("tat_r"), world.counter("tat_t")
    too_dear = candidate(input_tokens=40_000, rates=candidate().rates.__class__(*[9 * 10**12] * 4))
    assert world.deny(candidates=(too_dear,)).reason is Reason.CAP_REACHED
    assert (world.counter("tat_r"), world.counter("tat_t")) == tat


def test_a_clock_that_is_set_back_costs_at_most_one_burst_of_waiting(world: HoldWorld) -> None:
    limit(world, RateLimits(requests_per_second=1, request_burst=2))
    world.admit()
    world.advance(-3600)
    assert world.deny().retry_after_us == SECOND_US
    world.advance(1)
    world.admit()


def test_tokens_a_minute_count_input_and_granted_output(world: HoldWorld) -> None:
    limit(world, RateLimits(tokens_per_minute=6_000, token_burst=4_000))
    world.admit()
    world.admit()
    denial = world.deny()
    assert denial.reason is Reason.TOKEN_RATE_LIMITED
    assert denial.retry_after_us == 20 * SECOND_US
    world.advance(20)
    world.admit()


def test_a_request_of_exactly_the_token_burst_can_pass(world: HoldWorld) -> None:
    for burst in (1_999, 2_000, 30_011, 99_999_999):
        limit(world, RateLimits(tokens_per_minute=7, token_burst=burst))
        offer = candidate(input_tokens=burst - 1_000, rates=_free())
        world.admit(candidates=(offer,))
        world.advance(60 * burst)


def test_a_request_above_the_token_burst_can_never_pass(world: HoldWorld) -> None:
    limit(world, RateLimits(tokens_per_minute=1_000_000, token_burst=1_999))
    denial = world.deny()
    assert denial.reason is Reason.INVALID_REQUEST
    assert denial.retry_after_us is None
    assert denial.violations[0].field == "max_output_tokens"


def test_a_candidate_that_the_token_burst_stops_leaves_it_to_the_next(world: HoldWorld) -> None:
    limit(world, RateLimits(tokens_per_minute=2_000, token_burst=2_000))
    thirsty = candidate("fast-eyes", input_tokens=1_200)
    assert world.admit(candidates=(thirsty, candidate())).model == "fast-1"


def test_requests_in_flight_are_bounded_and_an_ended_one_makes_room(world: HoldWorld) -> None:
    limit(world, RateLimits(max_in_flight=2))
    first = world.admit()
    world.admit()
    denial = world.deny()
    assert denial.reason is Reason.TOO_MANY_IN_FLIGHT
    assert denial.facts == {"limit": 2}
    assert denial.retry_after_us is not None
    world.settle(first)
    world.admit()


def test_overdue_holds_are_not_in_flight_any_more(world: HoldWorld) -> None:
    limit(world, RateLimits(max_in_flight=1))
    world.admit()
    world.advance(120)
    world.admit()


def test_observe_names_the_rate_that_would_have_denied(world: HoldWorld) -> None:
    rates = RateLimits(requests_per_second=1, request_burst=1, tokens_per_minute=60, token_burst=60)
    limit(world, rates, enforcement=Enforcement.OBSERVE)
    assert world.admit().would_deny == Reason.INVALID_REQUEST
    assert world.admit().would_deny == Reason.RATE_LIMITED


def _free() -> object:
    rates = candidate().rates
    return type(rates)(0, 0, 0, 0)
