import pytest

from fluxrouter_server.store.breaker import BreakerState, CircuitBreaker


@pytest.fixture
def breaker() -> CircuitBreaker:
    return CircuitBreaker(failure_threshold=3, pause_seconds=0.1)


def opened(breaker: CircuitBreaker, now: float) -> CircuitBreaker:
    for _ in range(breaker.failure_threshold):
        breaker.record_failure(now)
    return breaker


def test_it_stays_closed_below_the_threshold(breaker: CircuitBreaker) -> None:
    assert not breaker.record_failure(1.0)
    assert not breaker.record_failure(1.0)
    assert breaker.is_closed


def test_the_failure_that_reaches_the_threshold_opens_it_and_says_so(
    breaker: CircuitBreaker,
) -> None:
    assert [breaker.record_failure(1.0) for _ in range(4)] == [False, False, True, False]
    assert breaker.state is BreakerState.OPEN


def test_failures_with_a_success_between_them_do_not_add_up(breaker: CircuitBreaker) -> None:
    for _ in range(10):
        breaker.record_failure(1.0)
        breaker.record_failure(1.0)
        breaker.record_success()
    assert breaker.is_closed


def test_a_probe_may_go_once_the_pause_is_over_and_only_one(breaker: CircuitBreaker) -> None:
    opened(breaker, now=1.0)
    assert not breaker.begin_probe(1.09)
    assert breaker.begin_probe(1.1)
    assert not breaker.begin_probe(1.1)
    assert breaker.state is BreakerState.PROBING


def test_calls_stay_barred_while_a_probe_is_under_way(breaker: CircuitBreaker) -> None:
    opened(breaker, now=1.0).begin_probe(1.1)
    assert not breaker.is_closed


def test_a_successful_probe_closes_it_and_forgets_the_failures(breaker: CircuitBreaker) -> None:
    opened(breaker, now=1.0).begin_probe(1.1)
    breaker.record_success()
    assert breaker.is_closed
    assert not breaker.record_failure(1.2)


def test_a_failed_probe_starts_the_pause_anew(breaker: CircuitBreaker) -> None:
    opened(breaker, now=1.0).begin_probe(1.1)
    breaker.record_probe_failure(1.5)
    assert not breaker.begin_probe(1.55)
    assert breaker.begin_probe(1.6)


def test_late_failures_of_earlier_calls_do_not_put_the_probe_off(breaker: CircuitBreaker) -> None:
    opened(breaker, now=1.0)
    breaker.record_failure(1.09)
    assert breaker.seconds_until_probe(1.09) == pytest.approx(0.01)


def test_no_wait_is_needed_for_a_probe_of_a_closed_one(breaker: CircuitBreaker) -> None:
    assert breaker.seconds_until_probe(1.0) == 0.0
    assert not breaker.begin_probe(1.0)
